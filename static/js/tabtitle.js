/** The tab says how the task is doing, in its title and by the colour of its icon. */

import {one} from "./dom.js";
import {STATES} from "./marks.js";

const COLOURS = {running: "#1d5fd0", failed: "#c0262d", completed: "#1b7440"};
const icon = one("link[rel=icon]");
const plain = icon.getAttribute("href");

export function title(row) {
  const lead = row.status === "running" && row.progress ? `${row.progress} %` : STATES[row.state] ?? row.state;
  const words = `${lead} · ${row.title} · Drover`;
  if (document.title !== words) document.title = words;
  const href = COLOURS[row.status] ? disc(COLOURS[row.status]) : plain;
  if (icon.getAttribute("href") !== href) icon.setAttribute("href", href);
}

function disc(colour) {
  const drawing = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><circle cx="12" cy="12" r="9" fill="${colour}"/></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(drawing)}`;
}
