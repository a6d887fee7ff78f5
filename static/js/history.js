/** Load over time: a range of it as small charts or tables; what is dragged over is zoomed into, what ends now lives. */

import {all, attr, icon, make, one, put, show} from "./dom.js";
import {now} from "./clock.js";
import {DASH, number, rate, seconds} from "./format.js";
import {bind} from "./keys.js";
import {Plot, when} from "./plot.js";
import {seriesOf} from "./series.js";
import {live} from "./socket.js";

const LENGTHS = {"1h": 3600, "6h": 21_600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000, "1y": 31_536_000};
const LIVE_MS = {"1h": 10_000, "6h": 30_000};
const SHORTEST = 60;
const gigabytes = (value) => (value === null || value === undefined ? DASH : `${(value / 2 ** 30).toFixed(1)} GB`);
const brief = (value) => (value >= 10_000 ? `${+(value / 1000).toFixed(1)}k` : String(+value.toFixed(2)));
const mean = (value) => (value === null || value === undefined ? DASH : value < 10 ? String(+value.toFixed(1)) : number(Math.round(value)));

const WHOLE = [1, 10, 100, 1e3, 1e4, 1e5, 1e6].flatMap((size) => [size, 2 * size, 5 * size]);
const GIGABYTES = Array.from({length: 14}, (_, power) => 2 ** (28 + power));

/** ``alone``: what is shown of one series; ``split``: of each of several. */
const CHARTS = [
  {name: "work", title: "Running and waiting", kind: "area", stack: true, figure: mean, tick: brief, least: 2, split: ["running", "Running"],
    alone: [["running", "running", 1], ["waiting", "waiting", 2]]},
  {name: "speed", title: "Tokens per second", kind: "area", stack: true, figure: rate, tick: brief, least: 5, split: ["tokens_per_second", "Tokens per second"],
    alone: [["tokens_per_second", "tok/s", 3]]},
  {name: "first", title: "Time to the first token", kind: "line", figure: seconds, tick: (value) => (value < 1 && value ? `${Math.round(value * 1000)} ms` : `${+value.toFixed(1)} s`), least: 0.1,
    split: ["first_token_p95_seconds", "Time to the first token, p95"], alone: [["first_token_p50_seconds", "p50", 1], ["first_token_p95_seconds", "p95", 2, true]]},
  {name: "ended", title: "Tries that ended", kind: "bars", stack: true, increments: WHOLE, per: true, figure: number, tick: brief, least: 4, split: ["ended", "Tries that ended"],
    alone: [["errors", "failed", "bad"], ["fine", "fine", 1]]},
  {name: "vram", title: "Video memory", kind: "area", stack: true, increments: GIGABYTES, figure: gigabytes, tick: (value) => `${+(value / 2 ** 30).toFixed(1)} GB`, least: 2 ** 30, split: ["vram_bytes", "Video memory"],
    alone: [["vram_bytes", "in use", 6]]},
  {name: "loads", title: "Models loaded", kind: "bars", stack: true, increments: WHOLE, per: true, figure: number, tick: brief, least: 4, split: ["loads", "Models loaded"],
    alone: [["loads", "loads", 6]]},
];
const stepWords = (step) => {
  for (const [size, word] of [[86_400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]]) {
    if (step % size === 0) return step === size ? word : `${step / size} ${word}s`;
  }
  return `${step} s`;
};
const nameOf = (series) => (series.others ? `${series.others} others` : series.model && series.node ? `${series.model} on ${series.node}` : (series.model ?? series.node ?? "all"));
const missing = (series, metric) => series.values[metric] ?? null;

class History {
  constructor(root) {
    this.root = root;
    this.asked = root.dataset;
    this.sync = `load-${all("[data-history]").indexOf(root)}`;
    this.charts = CHARTS.map((chart) => this.card(chart));
    this.asTable = false;
    this.timer = null;
    root.addEventListener("click", (event) => this.onClick(event));
    one("[data-custom-form]", root).addEventListener("submit", (event) => this.onCustom(event));
    one("[data-custom]", root).addEventListener("click", () => this.fillCustom());
    document.addEventListener("visibilitychange", () => !document.hidden && this.later(0));
    live.onState(({state, mode}) => this.setResting(state === "paused" || mode === "off"));
    new MutationObserver(() => this.retheme()).observe(document.documentElement, {attributeFilter: ["data-theme"]});
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.retheme());
    this.load();
  }

  card(chart) {
    const id = `${this.sync}-${chart.name}`;
    const parts = {
      ...chart,
      title: make("h3", {id}, chart.title),
      unit: make("span", {class: "ink-3"}),
      key: make("span", {class: "hchart__key"}),
      holder: make("div", {class: "hchart__plot", role: "img", "aria-labelledby": id}),
      rows: make("div", {class: "hchart__rows", tabindex: 0, role: "region", "aria-label": `${chart.title}, table`, hidden: true}),
    };
    const head = make("div", {class: "hchart__head"}, parts.title, parts.unit, parts.key);
    one("[data-charts]", this.root).append(make("section", {class: "card hchart", "aria-labelledby": id}, head, parts.holder, parts.rows));
    parts.plot = new Plot(parts.holder, chart, {
      sync: this.sync,
      onZoom: (from, to) => this.zoom(from, to),
      onOut: () => this.move("out"),
      onPoint: (index) => this.point(parts, index),
    });
    return parts;
  }

  query() {
    const {model, node, split, range, start, end} = this.asked;
    const limits = start ? {start, end} : {range};
    return new URLSearchParams({...limits, model, node, split});
  }

  async load() {
    clearTimeout(this.timer);
    const query = this.query().toString();
    this.wanted = query;
    attr(this.root, "aria-busy", "true");
    try {
      const answer = await fetch(`${this.asked.url}?${query}`, {headers: {Accept: "application/json"}});
      const body = await answer.json();
      if (query !== this.wanted) return;
      if (!answer.ok) throw new Error(body.error?.message ?? answer.statusText);
      this.take(body);
    } catch (error) {
      if (query === this.wanted) this.fail(error);
    }
    attr(this.root, "aria-busy", "false");
    this.later();
  }

  fail(error) {
    show(one("[data-failed]", this.root), true);
    put(one("[data-failed-words]", this.root), `The history cannot be read: ${error.message}`);
  }

  /** Again after a while, if the range ends now and somebody looks. */
  later(wait = LIVE_MS[this.asked.range] ?? 60_000) {
    clearTimeout(this.timer);
    if (!this.asked.start && !this.resting && !document.hidden) this.timer = setTimeout(() => this.load(), wait);
  }

  setResting(resting) {
    const before = this.resting;
    this.resting = resting;
    if (resting) clearTimeout(this.timer);
    else if (before) this.later(0);
  }

  take(history) {
    show(one("[data-failed]", this.root), false);
    const start = Date.parse(history.start_at) / 1000;
    const points = Math.round((Date.parse(history.end_at) / 1000 - start) / history.step_seconds);
    this.step = history.step_seconds;
    this.times = Array.from({length: points}, (_, at) => start + at * this.step);
    this.series = history.series;
    this.colours = seriesOf(history.series.filter((series) => !series.others).map(nameOf));
    this.ends = Date.parse(history.end_at) / 1000;
    for (const chart of this.charts) this.draw(chart);
    this.tellRange();
    this.tellWhole();
    this.tellLegend();
    this.root.dispatchEvent(new CustomEvent("drover:history", {bubbles: true, detail: {start: history.start_at, end: history.end_at}}));
  }

  lines(chart) {
    if (this.asked.split) {
      return this.series.toReversed().map((series) => ({name: nameOf(series), ink: series.others ? "rest" : this.colours[nameOf(series)] || "rest", values: missing(series, chart.split[0])})).filter((line) => line.values);
    }
    const [series] = this.series;
    const told = {...series.values, fine: series.values.ended?.map((value, at) => value - series.values.errors[at])};
    return chart.alone.filter(([metric]) => told[metric]).map(([metric, name, ink, dashed]) => ({name, ink, dashed, values: told[metric]}));
  }

  draw(chart) {
    const lines = (chart.lines = this.lines(chart));
    put(chart.title, this.asked.split ? chart.split[1] : lines.length < chart.alone.length && chart.name === "work" ? "Running" : chart.title.dataset.whole ?? (chart.title.dataset.whole = chart.title.textContent));
    put(chart.unit, chart.per ? `each ${stepWords(this.step)}` : "");
    if (!this.asTable) chart.plot.draw(this.times, this.step, lines);
    else this.tabulate(chart);
    attr(chart.holder, "aria-label", this.words(chart));
    this.point(chart, null);
  }

  /** For who cannot see the chart: the last and the highest of each line. */
  words(chart) {
    const said = chart.lines.map(({name, values}) => {
      const known = values.filter((value) => value !== null);
      return known.length ? `${name} ${chart.figure(known.at(-1))}, at most ${chart.figure(Math.max(...known))}` : `${name} unknown`;
    });
    return `${chart.title.textContent}: ${said.join("; ") || "nothing"}. The button Table shows all numbers.`;
  }

  /** The figures under the cursor; without one the sum of what is counted, and the last known of the rest. */
  point(chart, index) {
    if (!chart.lines) return;
    const many = Boolean(this.asked.split);
    const shown = many && index === null ? [] : chart.lines;
    const items = shown.map(({name, ink, values}) => {
      const whole = chart.per ? values.reduce((sum, each) => sum + each, 0) : values.findLast((each) => each !== null);
      const value = index === null ? whole : values[index];
      return make("span", {title: name}, make("span", {class: "swatch", "data-series": ink}), many ? "" : name, make("b", {}, chart.figure(value ?? null)));
    });
    chart.key.replaceChildren(...(many ? items.reverse() : items));
    if (chart.name === "work") this.tellRange(index);
  }

  tabulate(chart) {
    const head = make("tr", {}, make("th", {scope: "col"}, "Time"), ...chart.lines.map((line) => make("th", {scope: "col", class: "num"}, line.name)));
    const rows = this.times.map((at, point) =>
      make("tr", {}, make("th", {scope: "row"}, when(at, this.step)), ...chart.lines.map((line) => make("td", {class: "num"}, chart.figure(line.values[point])))));
    const caption = make("caption", {class: "vh"}, chart.title.textContent);
    chart.rows.replaceChildren(make("table", {class: "table"}, caption, make("thead", {}, head), make("tbody", {}, ...rows.reverse())));
  }

  toggleTable() {
    this.asTable = !this.asTable;
    attr(one("[data-as-table]", this.root), "aria-pressed", String(this.asTable));
    for (const chart of this.charts) {
      show(chart.rows, this.asTable);
      show(chart.holder, !this.asTable);
      if (this.times) this.draw(chart);
    }
  }

  tellRange(index = null) {
    if (!this.times?.length) return;
    const words = index === null ? `${when(this.times[0], this.step)} to ${this.asked.start ? when(this.ends, this.step) : "now"} · a point each ${stepWords(this.step)}` : when(this.times[index], this.step);
    put(one("[data-span]", this.root), words);
    for (const button of all("[data-range-set]", this.root)) attr(button, "aria-pressed", String(!this.asked.start && button.dataset.rangeSet === this.asked.range));
    attr(one("[data-custom]", this.root), "aria-pressed", this.asked.start ? "true" : null);
    one("[data-move=later]", this.root).disabled = !this.asked.start;
  }

  /** Sums over the range. Of several series they are added up; a median of medians would be none. */
  tellWhole() {
    const sum = (name) => this.series.reduce((total, {whole}) => total + whole[name], 0);
    const parts = [["ended", number(sum("ended"))], ["failed", number(sum("errors"))], ["tokens in", number(sum("prompt_tokens"))], ["tokens out", number(sum("output_tokens"))], ["loads", number(sum("loads"))]];
    if (this.series.length === 1) {
      const {whole} = this.series[0];
      parts.push(["first token p50", seconds(whole.first_token_p50_seconds)], ["p95", seconds(whole.first_token_p95_seconds)]);
    }
    one("[data-whole]", this.root).replaceChildren(...parts.map(([word, figure]) => make("span", {}, make("b", {}, figure), ` ${word}`)));
  }

  tellLegend() {
    const legend = one("[data-legend]", this.root);
    show(legend, Boolean(this.asked.split) && this.series.length > 0);
    legend.replaceChildren(...this.series.map((series) =>
      make("span", {}, make("span", {class: "swatch", "data-series": series.others ? "rest" : this.colours[nameOf(series)] || "rest"}), nameOf(series))));
  }

  onClick(event) {
    const button = event.target.closest("button");
    if (!button) return;
    const {rangeSet, move} = button.dataset;
    if (rangeSet) this.setRange(rangeSet);
    else if (move) this.move(move);
    else if ("asTable" in button.dataset) this.toggleTable();
    else if ("again" in button.dataset) this.load();
  }

  setRange(name) {
    delete this.asked.start;
    delete this.asked.end;
    this.asked.range = name;
    this.changed();
  }

  limits() {
    const end = this.asked.start ? Date.parse(this.asked.end) / 1000 : now() / 1000;
    const start = this.asked.start ? Date.parse(this.asked.start) / 1000 : end - LENGTHS[this.asked.range];
    return [start, end];
  }

  move(how) {
    const [start, end] = this.limits();
    const length = end - start;
    if (how === "in") this.zoom(start + length / 4, end - length / 4);
    else if (how === "out") this.zoom(start - length / 2, end + length / 2);
    else this.zoom(...(how === "earlier" ? [start - length / 2, end - length / 2] : [start + length / 2, end + length / 2]));
  }

  /** Absolute from then on; what reaches the present again ends now, and lives. */
  zoom(from, to) {
    const present = now() / 1000;
    const middle = (from + to) / 2;
    const length = Math.min(Math.max(to - from, SHORTEST), LENGTHS["1y"]);
    const end = Math.min(middle + length / 2, present);
    const named = Object.keys(LENGTHS).find((name) => end >= present - 1 && Math.abs(LENGTHS[name] - length) < length * 0.02);
    if (named) return this.setRange(named);
    this.asked.start = new Date((end - length) * 1000).toISOString();
    this.asked.end = new Date(end * 1000).toISOString();
    this.changed();
  }

  changed() {
    if ("address" in this.asked) this.keepAddress();
    put(one("[data-said]", this.root), "Loading another range");
    this.load();
  }

  keepAddress() {
    const {range, start, end, model, node, split} = this.asked;
    const kept = {...(start ? {start, end} : {range}), model, node, split};
    const query = new URLSearchParams(Object.entries(kept).filter(([, value]) => value));
    history.replaceState(null, "", `?${query}`);
  }

  /** The page's own form: another model, node or split. */
  choose(fields) {
    Object.assign(this.asked, fields);
    this.changed();
  }

  fillCustom() {
    const form = one("[data-custom-form]", this.root);
    const local = (at) => new Date(at * 1000 - new Date(at * 1000).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
    [form.elements.start.value, form.elements.end.value] = this.limits().map(local);
  }

  onCustom(event) {
    event.preventDefault();
    event.stopPropagation();
    const form = event.target;
    const [from, to] = [form.elements.start, form.elements.end].map(({value}) => Date.parse(value) / 1000);
    const wrong = !(from < to) ? "The start must lie before the end." : to - from > LENGTHS["1y"] ? "A year at most." : "";
    const told = one("[data-custom-error]", form);
    show(told, Boolean(wrong));
    told.replaceChildren(icon("warn", "12"), wrong);
    if (wrong) return;
    form.closest("details").open = false;
    this.zoom(from, to);
  }

  retheme() {
    if (!this.asTable) for (const chart of this.charts) chart.plot.redraw();
  }
}

export const histories = all("[data-history]").map((root) => new History(root));
bind({t: () => (histories.length ? histories[0].toggleTable() : false)});
