/** The live pill: the age of the last frame is the proof that the page lives. A click chooses how live it is. */

import {all, attr, icon, one, put, show} from "./dom.js";
import {live} from "./socket.js";

const MODES = {live: "live", 2: "2s", 10: "10s", off: "off"};
const ICONS = {paused: "paused", reconnecting: "starting", stale: "warn", polling: "retrying"};

function words({state, age, mode, retryIn}) {
  if (state === "paused") return "Paused";
  if (state === "reconnecting") return retryIn === null ? "Connecting" : `Reconnecting ${Math.ceil(retryIn)} s`;
  if (state === "stale") return `Stale ${Math.round(age)} s`;
  if (state === "polling") return "Polling 3 s";
  return mode === "live" ? "Live" : `Every ${parseInt(mode, 10)} s`;
}

export function startPill() {
  const pill = one("[data-live-pill]");
  const word = one("[data-live-word]");
  const app = one(".app");
  if (!pill) return;
  live.onState((now) => {
    if (pill.dataset.live !== now.state) {
      pill.dataset.live = app.dataset.live = now.state;
      const mark = ICONS[now.state] ? icon(ICONS[now.state], "12") : Object.assign(document.createElement("span"), {className: "live__dot"});
      pill.firstElementChild.replaceWith(mark);
    }
    put(word, words(now));
    put(one("[data-live-age]"), now.state === "live" && now.mode === "live" ? `${Math.min(9.9, now.age).toFixed(1)} s` : "");
    for (const item of all("[data-live-mode]")) attr(item, "aria-checked", String(MODES[item.dataset.liveMode] === now.mode));
  });
  document.addEventListener("click", (event) => {
    const item = event.target.closest("[data-live-mode]");
    if (item) live.setMode(MODES[item.dataset.liveMode]);
  });
  const mine = document.documentElement.dataset.build;
  live.on("hello", ({build}) => show(one("[data-new-build]"), Boolean(mine && build && build !== mine)));
  live.on("logout", () => location.reload());
}
