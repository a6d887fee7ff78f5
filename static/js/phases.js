/** The phase bar while a task runs: queued, load, prefill, decode grow as time passes. After the end the server draws it. */

import {now} from "./clock.js";
import {attr, field, one, put} from "./dom.js";
import {number, rate, seconds} from "./format.js";

const PARTS = ["queued", "load", "prefill", "decode"];
const PART_OF_PHASE = {loading: "load", prefill: "prefill", generating: "decode"};
const TICK_MS = 250;
const ENDED = new Set(["completed", "failed", "cancelled"]);

export class PhaseBar {
  constructor(root, task) {
    this.root = root;
    this.limit = task.limit;
    this.spans = {};
    this.row = task;
    if (ENDED.has(task.status)) return;
    this.take(task);
    this.timer = setInterval(() => document.hidden || this.draw(), TICK_MS);
  }

  stop() {
    clearInterval(this.timer);
  }

  take(row) {
    this.row = row;
    const created = Date.parse(row.ready_at ?? row.created_at);
    const started = row.started_at && row.status !== "pending" ? Date.parse(row.started_at) : null;
    this.spans.queued = [created, started];
    if (started === null) {
      for (const name of PARTS.slice(1)) delete this.spans[name];
      return;
    }
    this.enter(PART_OF_PHASE[row.phase], row.phase_since ? Date.parse(row.phase_since) : null, started);
  }

  /** The phase before ends where this one begins. What nobody saw begin, began with the attempt. */
  enter(part, since, started) {
    if (!part || this.spans[part]) return;
    const before = PARTS.slice(1, PARTS.indexOf(part)).filter((name) => this.spans[name]);
    const start = since ?? (before.length ? now() : started);
    for (const name of before) this.spans[name][1] ??= start;
    if (!before.length && part !== "load" && start > started) this.spans[part === "prefill" ? "load" : "prefill"] = [started, start];
    this.spans[part] = [start, null];
  }

  draw() {
    if (ENDED.has(this.row.status)) return this.stop();
    const at = now();
    const lengths = PARTS.map((name) => this.length(name, at));
    const total = lengths.reduce((sum, value) => sum + (value ?? 0), 0) + this.remaining(lengths[3]);
    let start = 0;
    PARTS.forEach((name, index) => {
      const width = total ? (100 * (lengths[index] ?? 0)) / total : 0;
      const rect = one(`[data-part=${name}]`, this.root);
      attr(rect, "x", `${start.toFixed(2)}%`);
      attr(rect, "width", `${width.toFixed(2)}%`);
      start += width;
      put(field(one(`[data-legend=${name}]`, this.root), "time"), seconds(lengths[index]));
    });
    this.note(lengths[3]);
  }

  length(name, at) {
    const span = this.spans[name];
    return span ? Math.max(0, ((span[1] ?? at) - span[0]) / 1000) : null;
  }

  /** Seconds still to come, as far as a limit of tokens tells. */
  remaining(decoding) {
    const done = this.row.output_tokens;
    if (!this.limit || !decoding || !done || done > this.limit) return 0;
    return (decoding / done) * (this.limit - done);
  }

  note(decoding) {
    const {output_tokens: tokens} = this.row;
    if (!tokens) return;
    const of = this.limit ? ` / ${number(this.limit)}` : "";
    const speed = decoding > 0.5 ? ` · ${rate(tokens / decoding)}/s` : "";
    put(field(one("[data-legend=decode]", this.root), "note"), `${number(tokens)}${of} tokens${speed}`);
  }
}
