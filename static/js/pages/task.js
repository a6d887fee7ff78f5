/** One task: its text as it is written, the phase bar, and everything around it when its state changes. */

import {cite} from "../citations.js";
import {attr, field, one, put, show, soon, stamp} from "../dom.js";
import {copy} from "../copying.js";
import {DASH, number, rate} from "../format.js";
import {bind} from "../keys.js";
import {setState} from "../marks.js";
import {PhaseBar} from "../phases.js";
import {refresh} from "../regions.js";
import {live} from "../socket.js";
import {draw} from "../spark.js";
import {StreamView} from "../stream.js";
import {title} from "../tabtitle.js";

const root = one("[data-page=task]");
const task = JSON.parse(document.getElementById("task-data").textContent);
const ENDED = new Set(["completed", "failed", "cancelled"]);
const AROUND = ["state", "passages", "vectors", "waits", "actions", "thumb", "verdict", "side", "attempts", "raw", "where", "count-attempts", "no-output"];
const SPEEDS_KEPT = 60;

const bar = new PhaseBar(one("[data-phases]"), task);
const output = one("[data-stream]");
const speeds = [];
let row = {...task};

/* Output */
function scroller() {
  const box = one("[data-output]");
  return box && getComputedStyle(box).overflowY === "auto" ? box : one("#main");
}

/* What the server drew stays on the page until there is more: the view starts from it. */
const drawn = {
  attempt: task.attempt_id,
  text: output?.textContent ?? "",
  thinking: one("[data-thinking-text]")?.textContent ?? "",
  ended: ENDED.has(task.status) ? task.status : null,
};
const view = output && new StreamView(output, {
  thinking: one("[data-thinking-text]"),
  scroller: scroller(),
  onFollow: showFollowing,
  onGap: () => subscription.refresh(),
});
view?.snapshot(drawn);
const cited = output && cite(output);
if (view && ENDED.has(task.status)) view.follow(false);

function showFollowing(following) {
  const button = one("[data-follow]");
  show(button, !ENDED.has(row.status));
  attr(button, "aria-pressed", String(following));
  show(one("[data-jump]"), !following && !ENDED.has(row.status));
}

function toolCalls(calls) {
  const holder = one("[data-tool-calls]");
  calls.forEach((call, index) => {
    const card = holder.children[index] ?? holder.appendChild(stamp("tool-call"));
    const {name = "?", arguments: given = {}} = call.function ?? call;
    put(field(card, "name"), name);
    put(field(card, "brief"), Object.entries(given).map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(", "));
    put(field(card, "arguments"), JSON.stringify(given, null, 2));
  });
}

function afterText(frame) {
  if (frame.c ?? frame.tool_calls) toolCalls(frame.c ?? frame.tool_calls);
  const thoughts = one("[data-thinking]");
  show(thoughts, view.thinking.length > 0);
  if (!thoughts.dataset.touched && !ENDED.has(row.status)) thoughts.open = !view.text;
  put(one("[data-thinking-size]"), `${number(view.thinking.length)} characters`);
  const calls = one("[data-tool-calls]").children.length;
  show(one("[data-no-output]"), !view.text && !view.thinking && !calls && !one("[data-output] .facts"));
}

/* State */
function takeRow(next) {
  if (next.version !== undefined && row.version !== undefined && next.version < row.version) return;
  const changed = next.state !== row.state || next.attempts !== row.attempts || next.version !== row.version;
  const restarted = row.status !== undefined && ENDED.has(row.status) && !ENDED.has(next.status);
  row = {...row, ...next};
  if (restarted) location.reload();
  setState(one("[data-region=state]"), row.state);
  title(row);
  bar.take(row);
  if (changed) refresh(...AROUND);
}

const nodes = soon(() => refresh("waits"), 5000);

/** Place and start change all the time and are patched; another reason is drawn by the server. */
function takeWait(reason, waiting) {
  row = {...row, waiting_reason: reason, waiting};
  bar.take(row);
  const block = one("[data-region=waits] > .waits");
  if (!waiting || block?.dataset.code !== waiting.code || field(block, "words").textContent !== waiting.words) {
    refresh("waits");
    return;
  }
  put(field(block, "line"), waiting.line || DASH);
  put(field(block, "start"), waiting.start || DASH);
  nodes();
}

function progress(lines) {
  for (const [id, attempt, phase, tokens, speed, percent, message, since] of lines) {
    if (id !== task.id) continue;
    const state = row.state === "cancelling" ? row.state : phase;
    row = {...row, phase, state, attempt_id: attempt, progress: percent, message, output_tokens: tokens, phase_since: since};
    setState(one("[data-region=state]"), state);
    bar.take(row);
    title(row);
    speed !== null && noteSpeed(speed);
  }
}

function noteSpeed(speed) {
  speeds.push(speed);
  if (speeds.length > SPEEDS_KEPT) speeds.shift();
  put(one("[data-decode-rate]"), rate(speed));
  const drawing = one("[data-spark=decode]");
  if (drawing) draw(drawing, speeds);
}

function announce(words) {
  put(one("[data-announce]"), words);
}

const subscription = live.subscribe(`task:${task.id}`, {
  onSnap(snap) {
    takeRow(snap.row ?? snap.task);
    if (snap.text && view) {
      view.snapshot(snap.text);
      afterText(snap.text);
      showFollowing(view.following);
    }
  },
  onDelta(delta) {
    if (delta.row) takeRow(delta.row);
    if (delta.progress) progress(delta.progress);
    if (delta.text && view) {
      for (const frame of [delta.text].flat()) {
        view.frame(frame);
        afterText(frame);
      }
    }
    if (delta.reason !== undefined) takeWait(delta.reason, delta.waiting);
    if (delta.end) ended(delta.end);
  },
});

function ended(end) {
  view?.end(end);
  bar.stop();
  announce(`The task ${end.status === "completed" ? "is done" : `is ${end.status}`}.`);
  show(one("[data-follow]"), false);
  show(one("[data-jump]"), false);
  refresh(...AROUND, "phases");
}

document.addEventListener("drover:acted", () => refresh(...AROUND));
document.addEventListener("drover:region", ({detail}) => {
  if (detail.name === "side" && speeds.length) noteSpeed(speeds.pop());
  if (detail.name === "passages") cited?.redo();
});

/* Thinking is open while there is nothing else to read, unless the reader decides otherwise. */
one("[data-thinking] > summary")?.addEventListener("click", ({currentTarget}) => (currentTarget.parentElement.dataset.touched = "yes"));

/* Tools */
one("[data-follow]")?.addEventListener("click", () => (view.following ? view.follow(false) : view.jump()));
one("[data-jump] button")?.addEventListener("click", () => view.jump());
one("[data-copy-output]")?.addEventListener("click", () => copyOutput());
for (const button of document.querySelectorAll("[data-view]")) {
  button.addEventListener("click", () => {
    view.setMode(button.dataset.view === "text" ? "raw" : "rendered");
    for (const other of document.querySelectorAll("[data-view]")) attr(other, "aria-pressed", String(other === button));
  });
}

function copyOutput() {
  if (view?.text) copy(view.text, "Output copied");
  else copy(location.href, "Link copied");
}

const press = (key) => document.querySelector(`[data-region=actions] [data-key=${key}]:not(:disabled)`)?.click();

bind({
  r: () => press("retry"),
  Backspace: () => press("cancel"),
  f: () => view && (view.following ? view.follow(false) : view.jump()),
  c: copyOutput,
  End: () => (view ? view.jump() : false),
});

title(row);
if (view) showFollowing(view.following);
