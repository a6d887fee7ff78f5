/** Task rows, patched cell by cell in place; the words are those of dashboard/templatetags/rows.py. */

import {attr, field, make, put} from "./dom.js";
import {about, number, rate, seconds} from "./format.js";
import {setTime} from "./clock.js";
import {avatar, progressBar, setState} from "./marks.js";

const STATE_OF_PHASE = {loading: "loading", prefill: "prefill", generating: "generating", working: "working"};
const BUSY = new Set(["loading", "prefill", "generating", "working", "cancelling"]);
const ERRANDS = new Set(["pull", "load", "unload", "delete", "copy"]);

export function patchRow(element, row) {
  attr(element, "data-task", row.id);
  attr(element, "data-version", row.version);
  attr(element, "data-state", row.state);
  setState(field(element, "state"), row.state);
  const title = field(element, "title");
  put(title, row.title);
  attr(title, "href", `/tasks/${row.id}`);
  put(field(element, "agent"), row.agent);
  put(field(element, "model"), row.model ?? "—");
  put(field(element, "node"), row.node ? `@ ${row.node}` : "");
  patchProgress(field(element, "progress"), row);
  put(field(element, "rate"), rate(row.tokens_per_second));
  patchDetails(element, row);
}

/** Cells that only the full list has. */
function patchDetails(element, row) {
  const box = element.querySelector("input[name=ids]");
  if (!box) return;
  if (box.value !== String(row.id)) {
    box.value = row.id;
    box.setAttribute("aria-label", `Select ${row.title}`);
    field(element, "owner").replaceChildren(avatar(row.owner));
    field(element, "age").replaceChildren(make("time", {"data-age": true}));
  }
  put(field(element, "duration"), seconds(row.duration_seconds));
  const known = row.prompt_tokens !== null || row.output_tokens !== null;
  put(field(element, "tokens"), known ? `${number(row.prompt_tokens)} → ${number(row.output_tokens)}` : "—");
  setTime(element.querySelector("[data-f=age] time"), row.created_at);
}

function patchProgress(cell, row) {
  const {text, share, dim} = progressOf(row);
  if (share === null && row.waiting && row.status === "pending") {
    patchWait(cell, row.waiting, text);
    return;
  }
  if (share === null) {
    let words = cell.querySelector(":scope > .clip");
    if (!words) cell.replaceChildren((words = make("span", {class: "clip"})));
    attr(words, "class", `clip ${dim ? "ink-3" : "ink-2"}`);
    attr(words, "title", text);
    put(words, text);
    return;
  }
  let shown = cell.querySelector(":scope > .prog");
  if (!shown) cell.replaceChildren((shown = progressBar(row.state)));
  attr(shown, "data-state", row.state);
  attr(shown.querySelector("svg"), "aria-label", text);
  attr(shown.querySelector("rect"), "width", `${share}%`);
  put(shown.querySelector(".prog__t"), text);
}

/** The reason gives way; place and start stay to be seen. */
function patchWait(cell, waiting, text) {
  let shown = cell.querySelector(":scope > .wait");
  if (!shown || shown.dataset.since !== (waiting.since ?? "")) cell.replaceChildren((shown = newWait(waiting)));
  attr(shown, "title", text);
  put(field(shown, "words"), waiting.words);
  put(field(shown, "when"), [waiting.line, waiting.start].filter(Boolean).join(", "));
}

function newWait({since, expected_seconds: expected}) {
  const reason = make("span", {class: "clip ink-2"}, make("span", {"data-f": "words"}));
  if (since) {
    const time = make("time", {"data-age": true});
    reason.append(", ", time, expected ? ` of ${about(expected)}` : "");
    setTime(time, since);
  }
  return make("span", {class: "wait", "data-since": since ?? ""}, reason, make("span", {class: "num", "data-f": "when"}));
}

export function progressOf(row) {
  if (row.status === "running" && BUSY.has(row.state)) {
    return {text: row.message || (ERRANDS.has(row.type) ? "" : tokens(row)), share: row.progress || null, dim: false};
  }
  if (row.state === "completed" && ERRANDS.has(row.type)) return {text: row.message, share: null, dim: true};
  if (row.state === "completed") return {text: `${tokens(row)} in ${seconds(row.duration_seconds)}`, share: null, dim: true};
  if (row.state === "failed") return {text: (row.error || "failed").split("\n")[0], share: null, dim: false};
  if (row.state === "cancelled") {
    return {text: row.duration_seconds ? `after ${seconds(row.duration_seconds)}` : "", share: null, dim: true};
  }
  if (row.state === "starting" && row.node) return {text: `Starting on ${row.node}`, share: null, dim: false};
  return {text: row.waiting_reason || row.message || "waits for the next free slot", share: null, dim: false};
}

function tokens(row) {
  if (row.type === "embed") return `${number(row.prompt_tokens)} tokens read`;
  if (row.output_tokens === null) return "no token yet";
  return `${number(row.output_tokens)} token${row.output_tokens === 1 ? "" : "s"}`;
}

/** The row with what a worker just said about it; null when that is about another attempt. */
export function withProgress(row, [, attempt, phase, output, speed, progress, message]) {
  if (row.attempt_id !== attempt || row.status !== "running") return null;
  const state = row.state === "cancelling" ? row.state : STATE_OF_PHASE[phase] ?? row.state;
  return {...row, phase, state, progress, message, output_tokens: output, tokens_per_second: speed};
}
