/** Retention: while a clean-up is under way its row is drawn again and again. */

import {one} from "../dom.js";
import {refresh} from "../regions.js";

const EVERY = 2000;

/** What is drawn tells by its stop button whether it is over. */
function look() {
  if (document.hidden || !one("[data-region=clean-ups] form")) return;
  refresh("clean-ups");
}

setInterval(look, EVERY);
document.addEventListener("drover:acted", () => refresh("clean-ups"));
