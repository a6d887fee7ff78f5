/** The load sample, once a second, for whoever on the page wants it; and the strip and the rail, which always do. */

import {all, attr, make, one, put, show} from "./dom.js";
import {number, rate} from "./format.js";
import {setDot} from "./marks.js";
import {live} from "./socket.js";
import {drawTrend, record, saveTrends} from "./spark.js";

const TRENDS = ["running", "waiting", "tokens_per_second", "first_token_p50_seconds", "failed_last_hour"];
const listeners = new Set();
let latest = null;

export function onLoad(listener) {
  listeners.add(listener);
  if (latest) listener(latest);
}

function take(sample) {
  latest = sample;
  const values = Object.fromEntries(TRENDS.map((name) => [name, sample.totals[name]]));
  for (const model of sample.models) values[`model:${model.name}`] = model.tokens_per_second;
  record(values);
  for (const name of TRENDS) for (const drawing of all(`[data-spark="${name}"]`)) drawTrend(drawing, name);
  strip(sample);
  for (const listener of listeners) listener(sample);
}

function total(name, text, title = "") {
  for (const element of all(`[data-total="${name}"]`)) {
    put(element, text);
    attr(element, "title", title || null);
    if ("nonzero" in element.dataset) show(element, text !== "0");
  }
}

function strip({totals, nodes}) {
  total("running", number(totals.running));
  total("waiting", number(totals.waiting));
  total("failed_last_hour", number(totals.failed_last_hour));
  total("tokens_per_second", rate(totals.tokens_per_second), totals.tokens_per_second === null ? "nothing is generating" : "");
  const {workers_alive: alive} = totals;
  const use = `${number(totals.worker_in_use)} of ${number(totals.worker_capacity)} streams in use`;
  total("workers", alive ? `${alive} worker${alive === 1 ? "" : "s"}` : "no worker", alive ? use : "nothing can run");
  total("redis", totals.redis ? "redis ok" : "redis away");
  const holder = one("[data-strip-nodes]");
  for (const node of nodes) {
    const shown = one(`[data-node="${node.id}"]`, holder);
    if (shown) setDot(shown.querySelector(".dot"), node.status);
    else holder.append(nodeLink(node));
  }
}

function nodeLink(node) {
  const dot = make("span", {class: "dot", role: "img"});
  setDot(dot, node.status);
  return make("a", {href: `/nodes#node-${node.id}`, "data-node": node.id}, dot, node.name);
}

export {total};

export function startLoad() {
  for (const name of TRENDS) for (const drawing of all(`[data-spark="${name}"]`)) drawTrend(drawing, name);
  live.subscribe("load", {onSnap: (sample) => sample && take(sample), onDelta: ({data}) => take(data)});
  window.addEventListener("pagehide", saveTrends);
}
