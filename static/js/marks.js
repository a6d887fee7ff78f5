/** Marks that change while one looks: state words, health dots, slot pips, memory bars. As in templatetags/marks.py. */

import {attr, put, setIcon, svg, make} from "./dom.js";
import {held} from "./format.js";

export const STATES = {
  blocked: "waits for a step",
  held: "held by its run",
  waiting: "waiting",
  starting: "starting",
  loading: "loading model",
  prefill: "prefill",
  generating: "generating",
  working: "working",
  retrying: "retrying",
  cancelling: "cancelling",
  completed: "completed",
  skipped: "skipped",
  paused: "paused",
  failed: "failed",
  cancelled: "cancelled",
};

const HEALTH = {
  healthy: ["ok", "online"],
  draining: ["drain", "draining"],
  unhealthy: ["down", "unreachable"],
  disabled: ["idle", "disabled"],
  unknown: ["unknown", "not seen yet"],
};
const PIPS = 12;

/** Attribute, icon and word change together. */
export function setState(holder, state) {
  const chip = holder.matches(".state") ? holder : holder.querySelector(".state");
  if (!chip || chip.dataset.state === state) return;
  chip.dataset.state = state;
  setIcon(chip.querySelector("svg"), state in STATES ? state : "circle");
  put(chip.querySelector(".state__word"), STATES[state] ?? state);
}

export function setDot(dot, status) {
  const [shape, word] = HEALTH[status] ?? ["unknown", status];
  attr(dot, "data-health", shape);
  attr(dot, "aria-label", word);
  attr(dot, "title", word);
}

export function setSlots(holder, used, total, loading) {
  const wanted = `${used}/${total}/${loading}`;
  if (holder.dataset.shown === wanted) return;
  holder.dataset.shown = wanted;
  if (!total) {
    holder.replaceChildren(make("span", {class: "ink-3", title: "loaded nowhere"}, "—"));
    return;
  }
  const drawn = Math.min(total, PIPS);
  const lit = Math.min(drawn, Math.ceil((used * drawn) / total));
  const pips = make("span", {class: "slots", role: "img", "aria-label": `${used} of ${total} slots used`});
  for (let i = 0; i < drawn; i += 1) pips.append(make("i", i < lit ? {"data-on": loading ? "loading" : "busy"} : {}));
  holder.replaceChildren(pips);
}

export function setVram(holder, models, total, series, known) {
  const label = models.map((model) => `${model.name} ${held(model)}`).join(", ") || "nothing loaded";
  const wanted = `${label}/${total}/${known}`;
  if (holder.dataset.shown === wanted) return;
  holder.dataset.shown = wanted;
  const bar = svg("svg", {class: "bar", role: "img", "aria-label": known ? label : "unknown"});
  if (!known || !total) bar.append(svg("rect", {width: "100%", height: "100%", class: "unk"}));
  let start = 0;
  for (const model of known && total ? models : []) {
    const width = (100 * (model.vram_bytes ?? 0)) / total;
    const look = {x: `${start}%`, width: `${Math.max(0, width - 0.4)}%`, height: "100%", "data-series": series[model.name] ?? 0};
    bar.append(svg("rect", look));
    start += width;
  }
  holder.replaceChildren(bar);
}

export function avatar(name) {
  if (!name) return make("span", {class: "ink-3", title: "nobody: its owner is gone"}, "—");
  return make("span", {class: "avatar", title: name}, name.slice(0, 2));
}

export function progressBar(state) {
  const bar = svg("svg", {class: "bar", role: "img"}, svg("rect", {height: "100%"}));
  return make("span", {class: "prog", "data-state": state}, bar, make("span", {class: "prog__t"}));
}

