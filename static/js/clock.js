/** Time on the page: the server's now, ages that grow, countdowns, times of day in the reader's zone. */

import {all, put} from "./dom.js";
import {countdown, short} from "./format.js";
import {live} from "./socket.js";

let skew = 0;

live.on("hello", ({server_time: at}) => {
  if (at) skew = Date.parse(at) - Date.now();
});

/** Milliseconds on the server's clock. */
export const now = () => Date.now() + skew;

export function age(at) {
  return (now() - Date.parse(at)) / 1000;
}

const absolute = new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "long"});
const time = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23"});

export function localise(root = document) {
  for (const element of all("time[datetime]", root)) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    element.title = absolute.format(at);
    if ("clock" in element.dataset) put(element, time.format(at));
  }
}

export function setTime(element, at) {
  if (!element || element.dateTime === at) return;
  element.dateTime = at;
  element.title = absolute.format(new Date(at));
  tickOne(element);
}

function tickOne(element) {
  if ("age" in element.dataset) put(element, short(age(element.dateTime)));
  if ("until" in element.dataset) put(element, countdown(Math.max(0, -age(element.dateTime))));
}

export function startClock() {
  localise();
  setInterval(() => {
    if (!document.hidden) all("time[data-age], time[data-until]").forEach(tickOne);
  }, 1000);
}
