/** The panel of what an agent remembers: redrawn after each change, but never under the hands of who is typing in it. */

import {one} from "./dom.js";
import {refresh} from "./regions.js";

let isDue = false;

const isInUse = () => Boolean(one("[data-region=memories] details[open]"));

/** Somebody else changed something. */
export function remembered() {
  isDue = isInUse();
  if (!isDue) refresh("memories");
}

document.addEventListener("drover:acted", ({target}) => {
  if (!target.closest(".memory")) return;
  if ("clear" in target.dataset) target.reset();
  refresh("memories");
});
document.addEventListener(
  "toggle",
  ({target}) => {
    if (isDue && target.matches?.("[data-memory]") && !isInUse()) remembered();
  },
  true,
);
