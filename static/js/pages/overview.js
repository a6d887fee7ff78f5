/** Overview: totals, models and nodes once a second, running tasks as they change, the rest when the server says so. */

import {attr, field, one, put, show, soon, stamp} from "../dom.js";
import {about, held, heldOnNode, number, percent, rate, roomOfNode, seconds, short} from "../format.js";
import {onLoad, total} from "../load.js";
import {setDot, setSlots, setVram} from "../marks.js";
import {refresh} from "../regions.js";
import {patchRow, withProgress} from "../rows.js";
import {seriesOf} from "../series.js";
import {setTime} from "../clock.js";
import {live} from "../socket.js";
import {drawTrend} from "../spark.js";

const SHOWN = 12;
const UP = new Set(["healthy", "draining"]);

const workersNote = ({workers_alive: alive}) => (alive ? `${alive} worker${alive === 1 ? "" : "s"}` : "no worker is running");

function totals(now) {
  total("slots", number(now.slots));
  total("ended_last_hour", number(now.ended_last_hour));
  total("running_note", workersNote(now));
  total("waiting_note", now.oldest_wait_seconds === null ? "nothing waits" : `oldest ${short(now.oldest_wait_seconds)}`);
  total("rate_note", now.running && now.tokens_per_second !== null ? "all nodes together" : "nothing is generating");
  const first = now.first_token_p50_seconds;
  total("first_token_p50_seconds", seconds(first), first === null ? "nothing completed lately" : "");
  const p95 = now.first_token_p95_seconds;
  total("first_token_note", p95 === null ? "known after the next answer" : `p95 ${seconds(p95)} · without queue`);
  const {failed_last_hour: failed, ended_last_hour: ended} = now;
  total("failed_note", ended ? `${percent(failed, ended)} of those that ended` : "nothing ended yet");
}

/** Keeps one element for each item, in the order given. */
function reconcile(holder, items, keyOf, attribute, template, patch) {
  const present = new Map([...holder.children].map((element) => [element.getAttribute(attribute), element]));
  let before = holder.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    const element = present.get(key) ?? stamp(template);
    present.delete(key);
    attr(element, attribute, key);
    patch(element, item);
    if (element === before) before = before.nextElementSibling;
    else holder.insertBefore(element, before);
  }
  for (const element of present.values()) element.remove();
}

function patchModel(element, model, series) {
  const name = encodeURIComponent(model.name);
  attr(element.querySelector(".swatch"), "data-series", series[model.name] ?? 0);
  const link = field(element, "name");
  put(link, model.name);
  attr(link, "href", `/tasks?model=${name}`);
  setSlots(field(element, "slots"), model.running, model.slots, model.loading);
  put(field(element, "used"), model.slots ? `${model.running}/${model.slots}` : "");
  const waiting = field(element, "waiting");
  put(waiting, number(model.waiting));
  attr(waiting, "href", `/tasks?status=waiting&model=${name}`);
  waiting.classList.toggle("ink-3", !model.waiting);
  put(field(element, "rate"), model.running ? rate(model.tokens_per_second) : "—");
  attr(field(element, "rate"), "title", model.running ? null : "nothing is generating");
  put(field(element, "nodes"), model.nodes.join(", ") || "—");
  put(field(element, "vram"), model.loading ? "loading…" : held(model));
  patchExpiry(field(element, "expires"), model);
  patchPause(element, model);
  drawTrend(element.querySelector("[data-spark]"), `model:${model.name}`);
}

function patchPause(row, model) {
  const [pause, resume] = row.querySelectorAll("[data-pause] button");
  attr(one("[data-pause] [name=key]", row), "value", model.name);
  for (const name of row.querySelectorAll("[data-f=pause-name]")) put(name, ` ${model.name}`);
  show(field(row, "paused"), model.paused);
  show(pause, !model.paused);
  show(resume, model.paused);
}

function patchExpiry(holder, model) {
  const idle = Boolean(model.expires_at) && !model.running && Date.parse(model.expires_at) - Date.now() < 86_400_000;
  show(holder, idle);
  if (!idle) return;
  if (!holder.querySelector("time")) {
    const time = document.createElement("time");
    time.dataset.until = "";
    holder.replaceChildren(" · unloads in ", time);
  }
  setTime(holder.querySelector("time"), model.expires_at);
}

function patchNode(element, node, series) {
  const known = UP.has(node.status);
  attr(element, "title", node.reason || null);
  setDot(element.querySelector(".dot"), node.status);
  const link = field(element, "name");
  put(link, node.name);
  attr(link, "href", `/nodes#node-${node.id}`);
  setVram(field(element, "vram"), node.models, node.vram_bytes, series, known);
  put(field(element, "used").firstChild, `${heldOnNode(node)} `);
  put(field(element, "used").lastElementChild, roomOfNode(node));
  patchSlots(field(element, "slots"), node);
  patchPlan(element, node.plan);
}

/** Loading a model, with its seconds; or what is to be loaded when there is room. */
function patchPlan(row, plan) {
  const line = field(row, "plan");
  show(line, Boolean(plan));
  if (!plan) return;
  const loading = plan.state === "loading";
  attr(line, "title", plan.reason);
  put(field(line, "plan-model"), `${loading ? "loading" : "makes room for"} ${plan.model}`);
  setTime(line.querySelector("time"), plan.since);
  put(field(line, "plan-rest"), loading ? `of ${about(plan.expected_seconds)}` : "");
}

function patchSlots(cell, node) {
  const text = node.slots === null ? "—" : `${node.running}/${node.slots} slots`;
  put(cell, text);
  attr(cell, "title", node.slots === null ? node.reason || "nothing loaded" : null);
}

const models = one("[data-models]");
const nodes = one("[data-nodes]");

onLoad((sample) => {
  const resident = sample.nodes.flatMap((node) => node.models.map((model) => model.name));
  const series = seriesOf([...sample.models.map((model) => model.name), ...resident]);
  totals(sample.totals);
  put(one("[data-models-count]"), String(sample.models.length));
  show(models, sample.models.length > 0);
  show(one("[data-models-empty]"), sample.models.length === 0);
  reconcile(one("tbody", models), sample.models, (model) => model.name, "data-model", "model-row", (element, model) =>
    patchModel(element, model, series));
  show(one("[data-nodes-empty]"), sample.nodes.length === 0);
  reconcile(nodes, sample.nodes, (node) => node.id, "data-node-row", "node-row", (element, node) =>
    patchNode(element, node, series));
});

/* Running now: rows change in place, ended ones leave, the next ones come in below. */
const table = one("[data-running]");
const running = new Map();

function drawRunning() {
  const rows = [...running.values()].filter((row) => row.status === "running").slice(0, SHOWN);
  show(table, rows.length > 0);
  show(one("[data-running-empty]"), rows.length === 0);
  reconcile(one("tbody", table), rows, (row) => row.id, "data-task", "running-row", patchRow);
}

function takeRows(rows) {
  for (const row of rows) {
    if (row.status === "running") running.set(row.id, row);
    else running.delete(row.id);
  }
}

function takeProgress(lines) {
  for (const line of lines) {
    const row = running.get(line[0]);
    const next = row && withProgress(row, line);
    if (next) running.set(row.id, next);
  }
}

const side = soon(() => refresh("attention", "activity"), 2500);
const lanes = soon(() => refresh("lanes"), 3000);
const controls = () => refresh("attention", "activity", "queues");
document.addEventListener("drover:acted", controls);

function replaceRunning(rows) {
  const keep = new Set(rows.map((row) => row.id));
  for (const id of running.keys()) if (!keep.has(id)) running.delete(id);
  takeRows(rows);
}

live.subscribe("overview", {
  onSnap(data) {
    replaceRunning(data.running);
    drawRunning();
  },
  onDelta(delta) {
    if (delta.running) replaceRunning(delta.running);
    if (delta.rows) takeRows(delta.rows);
    if (delta.progress) takeProgress(delta.progress);
    if (delta.running || delta.rows || delta.progress) drawRunning();
    if (delta.lanes) lanes();
    if (delta.pauses) controls();
    else if (delta.attention || delta.activity) side();
  },
});
