/** A run: its head, graph and chart follow its tasks; choosing a step in one of them shows it below, with live text. */

import {now} from "../clock.js";
import {all, attr, field, one, put, setIcon, show, soon} from "../dom.js";
import {bind} from "../keys.js";
import {setState, STATES} from "../marks.js";
import {refresh} from "../regions.js";
import {live} from "../socket.js";
import {StreamView} from "../stream.js";

const root = one("[data-page=run]");
const data = document.getElementById("run-data");
const run = data ? JSON.parse(data.textContent) : null;
const rows = new Map();
const REDRAW_MS = 800;
const TICK_MS = 500;
let watching = null;

const redraw = soon(() => refresh("head", "failure", "dag", "gantt", "rows"), REDRAW_MS);

/* Tasks of the run */
function take(row) {
  const before = rows.get(row.id);
  if (before && row.version < before.version) return;
  rows.set(row.id, row);
  if (before && before.version === row.version && before.state === row.state) return;
  const moved = mark(row.id, row.state);
  if (before || moved) redraw();
  if (!before && moved && chosenId() === row.id) refresh("drawer");
  if (!before) return;
  if (chosenId() === row.id && (before.status !== row.status || before.attempts !== row.attempts)) refresh("drawer");
  if (chosenId() === row.parent_id) refresh("drawer");
  if (before.status !== row.status && !row.parent_id) announce(row);
}

/** The icon and the colour at once; the rest when the server has drawn it again. True where something changed. */
function mark(id, state) {
  let moved = false;
  if (one(`[data-step="${id}"] .ring`, root)) return moved; // a fan-out does what its items do
  for (const element of all(`[data-step="${id}"]`, root)) {
    if (element.dataset.state === state) continue;
    moved = true;
    attr(element, "data-state", state);
    const icon = element.querySelector("svg.i");
    if (icon) setIcon(icon, state in STATES ? state : "circle");
    put(field(element, "word"), STATES[state] ?? state);
  }
  if (chosenId() === id) setState(one('[data-f="drawer-state"]', root), state);
  return moved;
}

function announce(row) {
  const step = run?.steps.find(({id}) => id === row.id);
  if (step && ["completed", "failed"].includes(row.status)) put(one("[data-announce]"), `Step ${step.name} ${row.status}.`);
}

function progress(lines) {
  for (const [id, attempt, phase] of lines) {
    const row = rows.get(id);
    if (row?.attempt_id === attempt && row.status === "running" && row.state !== "cancelling") mark(id, phase);
  }
}

live.subscribe(`run:${root.dataset.runId}`, {
  onSnap(snap) {
    const again = rows.size > 0;
    snap.rows.forEach(take);
    if (again || snap.run.status !== root.dataset.status) redraw();
  },
  onDelta(delta) {
    if (delta.progress) progress(delta.progress);
    if (delta.rows) delta.rows.forEach(take);
    if (delta.run || delta.gone || delta.added || delta.reasons) redraw();
  },
});

document.addEventListener("drover:acted", ({detail}) => {
  if (detail.url) location.assign(detail.url);
  else refresh("head", "failure", "dag", "gantt", "rows", "drawer");
});

/* The step looked at */
const chosenId = () => Number(one("[data-drawer]")?.dataset.drawer ?? run?.chosen ?? 0);

function choose(link) {
  history.replaceState(null, "", link.href);
  for (const other of all("[data-step]", root)) attr(other, "aria-current", other.dataset.step === link.dataset.step ? "true" : null);
  refresh("drawer");
}

root.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-step]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  choose(link);
});

function move(by) {
  if (!run) return false;
  const at = run.steps.findIndex(({id}) => id === chosenId());
  const next = run.steps[Math.max(0, Math.min(run.steps.length - 1, at + by))];
  const link = next && one(`.gantt [data-step="${next.id}"]`, root);
  if (!link) return false;
  link.focus();
  choose(link);
  return true;
}

/* Its text */
function follow() {
  watching?.();
  watching = null;
  const element = one("[data-stream]", root);
  if (!element) return;
  const ended = element.getAttribute("aria-busy") === "false";
  const text = element.textContent;
  const view = new StreamView(element, {scroller: element.parentElement, onGap: () => subscription?.refresh()});
  view.snapshot({attempt: Number(element.dataset.attempt) || null, text, ended: ended ? "completed" : null});
  if (ended) view.follow(false);
  const subscription = ended ? null : listen(element, view);
  watching = () => {
    subscription?.close();
    view.destroy();
  };
}

function listen(element, view) {
  const shown = () => show(one("[data-no-text]", root), !view.text);
  return live.subscribe(`task:${element.dataset.task}`, {
    onSnap(snap) {
      if (snap.text) view.snapshot(snap.text);
      shown();
    },
    onDelta(delta) {
      for (const frame of delta.text ? [delta.text].flat() : []) view.frame(frame);
      if (delta.end) view.end(delta.end);
      shown();
    },
  });
}

document.addEventListener("drover:region", ({detail}) => detail.name === "drawer" && follow());

/* What goes on grows; what has ended shrinks with the scale. */
function grow() {
  const chart = one("[data-gantt][data-open]", root);
  if (!chart || document.hidden) return;
  const passed = Math.max(Number(chart.dataset.seconds), (now() - run.began) / 1000);
  for (const rect of all("rect[data-since]", chart)) {
    const since = Number(rect.dataset.since);
    const until = rect.dataset.until === undefined ? passed : Number(rect.dataset.until);
    attr(rect, "x", `${((100 * since) / passed).toFixed(2)}%`);
    attr(rect, "width", `${((100 * Math.max(0, until - since)) / passed).toFixed(2)}%`);
  }
  for (const tick of all("[data-at]", chart)) attr(tick, "x", `${((100 * Number(tick.dataset.at)) / passed).toFixed(2)}%`);
  for (const line of all(".gantt__now", chart)) {
    attr(line, "x1", "100%");
    attr(line, "x2", "100%");
  }
}

const press = (key) => document.querySelector(`[data-region=head] [data-key=${key}]:not(:disabled)`)?.click();

bind({
  j: () => move(1),
  k: () => move(-1),
  r: () => press("retry"),
  Backspace: () => press("cancel"),
});

if (run) {
  follow();
  setInterval(grow, TICK_MS);
}
