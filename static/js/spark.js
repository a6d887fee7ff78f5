/** Trend lines of the last minute. The samples outlive a change of page, within this tab. */

import {attr} from "./dom.js";

const KEPT = 60;
const KEY = "drover.trend";
const GAP_MS = 10_000;

const trends = read();

function read() {
  try {
    const saved = JSON.parse(sessionStorage.getItem(KEY));
    if (saved && Date.now() - saved.at < GAP_MS) return saved;
  } catch {
    // Nothing saved, or nothing may be.
  }
  return {at: 0, series: {}};
}

export function record(values) {
  trends.at = Date.now();
  for (const [name, value] of Object.entries(values)) {
    const series = (trends.series[name] ??= []);
    series.push(value ?? null);
    if (series.length > KEPT) series.shift();
  }
  for (const name of Object.keys(trends.series)) if (!(name in values)) delete trends.series[name];
}

export function saveTrends() {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(trends));
  } catch {
    // The lines then start anew on the next page.
  }
}

/** Draws the series; where a value is unknown the line breaks. */
export function draw(drawing, values) {
  const lines = path(values);
  attr(drawing.querySelector(".line"), "d", lines.line);
  attr(drawing.querySelector(".area"), "d", lines.area);
}

export function drawTrend(drawing, name) {
  draw(drawing, trends.series[name] ?? []);
}

function path(values) {
  const known = values.filter((value) => value !== null);
  if (known.length < 2) return {line: "", area: ""};
  const top = Math.max(...known) * 1.15 || 1;
  const step = 100 / (KEPT - 1);
  const first = KEPT - values.length;
  let line = "";
  let area = "";
  let start = null;
  let last = null;
  const close = () => {
    if (start !== null) area += `L${last} 23 L${start} 23Z`;
    start = null;
  };
  values.forEach((value, index) => {
    if (value === null) return close();
    const x = ((first + index) * step).toFixed(1);
    const point = `${start === null ? "M" : "L"}${x} ${(23 - (21 * value) / top).toFixed(1)}`;
    line += point;
    area += point;
    start ??= x;
    last = x;
  });
  close();
  return {line, area};
}
