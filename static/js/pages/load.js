/** The load page: what its charts are of, and sums by model and by node over the same range. */

import {attr, make, one, show, soon} from "../dom.js";
import {number, seconds} from "../format.js";
import {histories} from "../history.js";
import {seriesOf} from "../series.js";

const MOST = 50;
const [charts] = histories;
const form = one("[data-load-form]");

/** Of one model there is nothing to split by model: the other choice then gives way. */
form.addEventListener("change", ({target}) => {
  const {model, node, split} = form.elements;
  if (target.name === "split" && form.elements[split.value]) form.elements[split.value].value = "";
  if ((target === model && split.value === "model") || (target === node && split.value === "node")) split.value = "";
  charts.choose({model: model.value, node: node.value, split: split.value});
});
form.addEventListener("submit", (event) => event.preventDefault());

let drawn = "";

async function pivot(kind, range) {
  const {url, model, node} = charts.asked;
  const within = kind === "model" ? {node} : {model};
  const query = new URLSearchParams({...range, ...within, split: kind, metrics: "ended,first_token_p50_seconds", top: MOST});
  const answer = await fetch(`${url}?${query}`, {headers: {Accept: "application/json"}}).catch(() => null);
  if (!answer?.ok) return;
  const {series} = await answer.json();
  const table = one(`[data-pivot=${kind}]`);
  const colours = seriesOf(series.filter(({others}) => !others).map((each) => each[kind]));
  one("tbody", table).replaceChildren(...series.map((each) => row(kind, each, colours)));
  one("tfoot", table).replaceChildren(...(series.length > 1 ? [foot(kind, series)] : []));
  show(table, series.length > 0);
  show(one(`[data-pivot-empty=${kind}]`), series.length === 0);
}

function row(kind, series, colours) {
  const {whole, others} = series;
  const name = others ? `${others} others` : series[kind];
  const button = make("button", {class: "link clip", type: "button", title: `Charts of ${name} alone`}, name);
  button.addEventListener("click", () => choose(kind, series[kind]));
  const swatch = make("span", {class: "swatch", "data-series": others ? "rest" : colours[name] || "rest"});
  const first = make("td", {class: "c-name"}, make("span", {class: "row"}, swatch, others ? name : button));
  return make("tr", {}, first, ...figures(whole), cell(seconds(whole.first_token_p50_seconds)), cell(seconds(whole.first_token_p95_seconds)), cell(number(whole.loads)));
}

function foot(kind, series) {
  const sum = (name) => series.reduce((total, {whole}) => total + whole[name], 0);
  const whole = Object.fromEntries(["ended", "errors", "output_tokens", "loads"].map((name) => [name, sum(name)]));
  return make("tr", {}, make("td", {}, `All ${kind}s`), ...figures(whole), cell(""), cell(""), cell(number(whole.loads)));
}

const cell = (text) => make("td", {class: "num"}, text);
const figures = (whole) => [cell(number(whole.ended)), failed(whole), cell(number(whole.output_tokens))];

function failed({errors}) {
  const found = cell(number(errors));
  if (errors) attr(found, "data-state", "failed");
  return found;
}

function choose(kind, name) {
  form.elements[kind].value = name;
  if (form.elements.split.value === kind) form.elements.split.value = "";
  form.elements[kind].dispatchEvent(new Event("change", {bubbles: true}));
  charts.root.scrollIntoView({block: "nearest"});
}

const tables = soon((range) => {
  pivot("model", range);
  pivot("node", range);
}, 50);

document.addEventListener("drover:history", ({detail}) => {
  const {model, node} = charts.asked;
  const wanted = JSON.stringify([detail, model, node]);
  if (wanted !== drawn) tables(detail);
  drawn = wanted;
});
