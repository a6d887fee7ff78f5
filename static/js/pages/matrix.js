/** The matrix: cells drawn again when they change, moved over by arrows, chosen by space, and acted on together. */

import {all, attr, field, one, put, soon} from "../dom.js";
import {ask} from "../forms.js";
import {bind} from "../keys.js";
import {refresh} from "../regions.js";
import {live} from "../socket.js";
import {toast} from "../toasts.js";

const form = one("[data-matrix]");
const CELL = "cell:";
const MOVES = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]};
const INSISTS = {model_in_use: "Delete all the same", no_disk_room: "Pull all the same"};
let chosen = new Set();
let current = null;

/* Live: what changed is drawn by the server; how far a pull is, is patched. */
const again = soon(() => refresh("matrix", "mismatches", "count"), 1000);
let seen = false;

live.subscribe("models", {
  onSnap: () => (seen ? again() : (seen = true)),
  onDelta(delta) {
    if (delta.progress) progress(delta.progress);
    if (delta.there || delta.nodes) return again();
    for (const [name, cell] of Object.entries(delta)) if (name.startsWith(CELL)) takeCell(name.slice(CELL.length), cell);
  },
});

function takeCell(key, cell) {
  const holder = one(`[data-cell="${key}"]`);
  if (!holder) return again();
  const pulling = cell.errand?.status === "running" && holder.dataset.task === String(cell.errand.task_id);
  if (pulling && field(holder, "bar") && one("[data-state=working]", holder)) drawPull(holder, cell.errand.share, cell.errand.words);
  else refresh("matrix", "mismatches");
}

function progress(lines) {
  for (const [id, , , , , percent, message] of lines) {
    const holder = one(`[data-task="${id}"]`);
    if (holder && field(holder, "bar")) drawPull(holder, percent, message);
  }
}

/** Never back: what a worker told may be fresher than what is stored. */
function drawPull(holder, share, words) {
  const percent = field(holder, "percent");
  if (share !== null && share >= parseInt(percent.textContent, 10)) {
    put(percent, `${Math.floor(share)} %`);
    attr(one("rect", field(holder, "bar")), "width", `${share}%`);
  }
  if (words) {
    put(field(holder, "words"), words);
    attr(field(holder, "words"), "title", words);
  }
}

/* Choosing */
const boxes = () => all("input[name=cells]", form);

function tell() {
  chosen = new Set(boxes().filter((box) => box.checked).map((box) => box.value));
  put(one("[data-chosen]"), chosen.size ? `${chosen.size} selected` : "Nothing selected");
  for (const button of all("[data-matrix] button[name=action]")) {
    if (!("never" in button.dataset)) button.disabled = chosen.size === 0;
  }
}

/** One cell is in the order of tabs, the others are reached by arrows. */
function enter(box) {
  for (const other of boxes()) attr(other, "tabindex", other === box ? null : "-1");
  current = box?.value ?? null;
}

function restore() {
  const there = boxes();
  for (const box of there) box.checked = chosen.has(box.value);
  enter(there.find((box) => box.value === current) ?? there[0]);
  tell();
}

function grid() {
  return all("tbody tr", form).map((line) => all("input[name=cells]", line));
}

function move([down, right]) {
  const lines = grid();
  const line = lines.findIndex((boxesOfLine) => boxesOfLine.includes(document.activeElement));
  if (line < 0) return false;
  const column = lines[line].indexOf(document.activeElement);
  const next = lines[line + down]?.[column + right];
  next?.focus();
  return true;
}

form.addEventListener("keydown", (event) => {
  if (event.key in MOVES && event.target.matches("input[name=cells]") && move(MOVES[event.key])) event.preventDefault();
});
form.addEventListener("focusin", ({target}) => target.matches("input[name=cells]") && enter(target));
form.addEventListener("change", tell);
document.addEventListener("drover:region", restore);

bind({
  x() {
    const line = document.activeElement.closest?.("[data-matrix] tbody tr");
    if (!line) return false;
    const mine = all("input[name=cells]", line);
    const on = mine.some((box) => !box.checked);
    for (const box of mine) box.checked = on;
    tell();
  },
  Escape() {
    for (const box of boxes()) box.checked = false;
    tell();
  },
});

/* Acting */
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = event.submitter;
  if (!button || !chosen.size) return;
  const fields = new FormData(form, button);
  const cells = `${chosen.size} cell${chosen.size === 1 ? "" : "s"}`;
  if (button.value === "delete" && !(await ask(`Delete what is in ${cells} from the disk?`, "Delete"))) return;
  attr(button, "aria-busy", "true");
  await send(fields);
  attr(button, "aria-busy", null);
});

async function send(fields) {
  const answer = await fetch(form.getAttribute("action"), {method: "POST", body: fields, headers: {Accept: "application/json"}}).catch(() => null);
  const told = await answer?.json().catch(() => null);
  if (answer?.ok) {
    toast(told.message);
    put(one("[data-announce]"), told.message);
    chosen.clear();
    refresh("matrix", "mismatches");
    return;
  }
  const error = told?.error ?? {message: "That did not arrive. Try again."};
  if (error.code in INSISTS && !fields.has("force") && (await ask(error.message, INSISTS[error.code]))) {
    fields.append("force", "1");
    await send(fields);
  } else if (!(error.code in INSISTS) || fields.has("force")) {
    toast(error.message, "failed");
  }
}

document.addEventListener("drover:acted", () => refresh("matrix", "count"));
enter(boxes()[0]);
tell();
