/** One batch: its bar, counts and speed once a second, the rows of this page as they change, its controls. */

import {left, patchLine, patchProgress, setSegments, stateOf} from "../batch.js";
import {all, field, one, put, show, stamp} from "../dom.js";
import {DASH, number, rate} from "../format.js";
import {bind} from "../keys.js";
import {refresh} from "../regions.js";
import {live} from "../socket.js";
import {title} from "../tabtitle.js";

const page = one("[data-page=batch]");
const limits = one("[data-limits]");
const body = one("[data-table] tbody");
const lines = new Map();
let batch = JSON.parse(document.getElementById("batch-data").textContent);

/* Rows */
function take(line) {
  const known = lines.get(line.key);
  if (known && known.version > line.version) return;
  lines.set(line.key, line);
  const element = body && one(`tr[data-row="${line.key}"]`, body);
  if (element) patchLine(element, line);
}

function progress(told) {
  for (const line of told) {
    for (const element of all(`tr[data-task="${line[0]}"]`, body)) patchProgress(element, line);
  }
}

/* The whole */
const percent = ({counts, rows}) => (rows ? Math.floor((100 * (counts.completed + counts.failed + counts.cancelled)) / rows) : 0);

function takeBatch(next) {
  const before = batch;
  batch = next;
  setSegments(one("[data-segments]", page), next.counts, next.rows);
  put(one("[data-rows-total]"), number(next.rows));
  for (const [word, count] of Object.entries(next.counts)) put(one(`[data-count="${word}"]`), number(count));
  put(field(page, "left"), left(next.eta) || DASH);
  put(field(page, "speed"), rate(next.tokens_per_second));
  put(field(page, "tokens"), `${number(next.prompt_tokens)} → ${number(next.output_tokens)}`);
  put(field(page, "held"), number(next.held));
  show(one("[data-held]"), next.held > 0);
  takeFailures(next.failures);
  takeLimits(next);
  tab();
  if (next.status !== before.status || next.stopped_reason !== before.stopped_reason || hasNews(before, next)) refresh("head");
  if (next.status !== before.status) put(one("[data-announce]"), `The batch is ${next.status}.`);
}

/** What the buttons depend on beside the status. */
const hasNews = (before, next) => before.paused_at !== next.paused_at || Boolean(before.counts.failed) !== Boolean(next.counts.failed);

function tab() {
  const share = percent(batch);
  title({status: batch.status, state: stateOf(batch.status), progress: share, title: batch.title || "Batch"});
}

function takeFailures(failures) {
  const card = one("[data-failures]");
  show(card, failures.length > 0);
  const list = one("ul", card);
  while (list.children.length > failures.length) list.lastElementChild.remove();
  failures.forEach((failure, at) => {
    const item = list.children[at] ?? list.appendChild(stamp("batch-failure"));
    const link = field(item, "code");
    put(link, failure.code || "unknown");
    link.setAttribute("href", `?error=${encodeURIComponent(failure.code)}`);
    put(field(item, "example"), failure.example);
    put(field(item, "rows"), number(failure.rows));
  });
}

/** Never under the fingers of whoever types there. */
function takeLimits({max_parallel: parallel, stop_failed_percent: percentage, status}) {
  const over = !["pending", "running", "paused"].includes(status);
  for (const control of limits.elements) if (over) control.disabled = true;
  if (limits.contains(document.activeElement)) return;
  limits.elements.max_parallel.value = parallel ?? "";
  limits.elements.stop_failed_percent.value = percentage ?? "";
}

live.subscribe(`run:${page.dataset.run}`, {
  filter: page.dataset.filter,
  onSnap(snap) {
    snap.lines.forEach(take);
    takeBatch(snap.batch);
  },
  onDelta(delta) {
    if (delta.progress && body) progress(delta.progress);
    delta.lines?.forEach(take);
    if (delta.batch) takeBatch(delta.batch);
  },
});

document.addEventListener("drover:acted", () => refresh("head"));

const press = (key) => one(`[data-region=head] [data-key=${key}]:not(:disabled)`)?.click();
bind({
  r: () => press("retry"),
  Backspace: () => press("cancel"),
  "[": () => one("a[rel=prev]")?.click(),
  "]": () => one("a[rel=next]")?.click(),
});

tab();
