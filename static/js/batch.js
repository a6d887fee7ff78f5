/** Batches in place: a row beside its answer, the bar of states; the words are those of templatetags/batching.py. */

import {attr, field, one, put} from "./dom.js";
import {number, seconds, short} from "./format.js";
import {setState} from "./marks.js";

const SEGMENTS = ["completed", "failed", "cancelled", "running"];
const STATES = {pending: "waiting", running: "generating"};
const WORDS = {pending: "waiting"};
const PHASES = new Set(["loading", "prefill", "generating"]);

export const stateOf = (status) => STATES[status] ?? status;

export function setSegments(bar, counts, rows) {
  let start = 0;
  for (const word of SEGMENTS) {
    const width = rows ? (100 * counts[word]) / rows : 0;
    const part = one(`[data-segment="${word}"]`, bar);
    attr(part, "x", `${start.toFixed(3)}%`);
    attr(part, "width", `${width.toFixed(3)}%`);
    start += width;
  }
  const told = SEGMENTS.filter((word) => counts[word]).map((word) => `${number(counts[word])} ${word}`).join(", ");
  attr(bar, "aria-label", `${told || "nothing has ended"}, of ${number(rows)} rows`);
}

export function left(eta) {
  if (!eta) return "";
  const about = `≈ ${short(Math.max(1, eta.seconds))}`;
  const [earliest, latest] = [short(eta.earliest_seconds), short(eta.latest_seconds)];
  return earliest === latest ? about : `${about}, ${earliest} to ${latest}`;
}

/** State words of a whole run: not all of them are words of a task. */
export function setStatus(holder, status) {
  setState(holder, stateOf(status));
  put(one(".state__word", holder), WORDS[status] ?? status);
}

export function patchLine(element, line) {
  attr(element, "data-row", line.key);
  attr(element, "data-task", line.task_id);
  attr(element, "data-version", line.version);
  attr(element, "data-state", line.state);
  setState(field(element, "state"), line.state);
  const link = field(element, "number");
  attr(link, "href", `/tasks/${line.task_id}`);
  attr(link, "aria-label", `Row ${line.number}, its task`);
  put(link, number(line.number));
  put(field(element, "input"), line.input);
  put(field(element, "ref"), line.client_ref);
  const said = field(element, "said");
  attr(said, "data-kind", line.output ? "output" : line.error ? "error" : "wait");
  put(said, line.output || line.error || line.message);
  put(field(element, "seconds"), seconds(line.seconds));
}

/** What a worker said about a task, on each of its rows that still runs. */
export function patchProgress(element, [, , phase, tokens, , percent, message]) {
  if (!["starting", ...PHASES].includes(element.dataset.state) || !PHASES.has(phase)) return;
  attr(element, "data-state", phase);
  setState(field(element, "state"), phase);
  const said = field(element, "said");
  if (said.dataset.kind === "wait") put(said, message || (percent ? `${percent} %` : tokens ? `${number(tokens)} tokens` : ""));
}
