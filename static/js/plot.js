/** One chart of the load history on a canvas: lines, areas upon each other, or bars; in the colours of the theme. */

import uPlot from "../vendor/uplot-1.6.32/uPlot.esm.js";
import {attr, make} from "./dom.js";

const FONT_PX = 11;
const DAY = 86_400;
const clock = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit", hourCycle: "h23"});
const precise = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23"});
const day = new Intl.DateTimeFormat(undefined, {day: "numeric", month: "short"});
const month = new Intl.DateTimeFormat(undefined, {month: "short", year: "numeric"});

/** The time of a point in as many words as its step is fine. */
export function when(seconds, step) {
  const at = new Date(seconds * 1000);
  if (step >= DAY) return day.format(at);
  return `${day.format(at)}, ${(step < 60 ? precise : clock).format(at)}`;
}

/** The colour as the browser computes it: a canvas knows no variables. */
function inks(holder) {
  const probe = make("span", {hidden: true});
  holder.append(probe);
  const read = (value) => {
    probe.style.color = value;
    return getComputedStyle(probe).color;
  };
  const font = getComputedStyle(holder).fontFamily;
  const found = {
    axis: read("var(--ink-3)"),
    grid: read("var(--grid-line)"),
    surface: read("var(--surface)"),
    rest: read("var(--ink-3)"),
    bad: read("var(--st-failed)"),
    font: `${FONT_PX}px ${font}`,
  };
  for (let number = 1; number <= 6; number += 1) found[number] = read(`var(--ch-${number})`);
  probe.remove();
  return found;
}

/** Opaque, so that what lies below in a pile does not shine through. */
function mixed(colour, surface, share) {
  const [one, other] = [colour, surface].map((text) => text.match(/[\d.]+/g).map(Number));
  return `rgb(${[0, 1, 2].map((at) => Math.round(one[at] * share + other[at] * (1 - share))).join(", ")})`;
}

/** Each upon the ones before it, the highest first so that the lower ones are drawn over it. */
function stacked(columns) {
  const sums = [];
  columns.forEach((column, at) => {
    sums.push(at ? column.map((value, point) => add(value, sums[at - 1][point])) : column.slice());
  });
  return sums.reverse();
}

const add = (one, other) => (one === null && other === null ? null : (one ?? 0) + (other ?? 0));

function moments(_, splits, __, ___, increment) {
  let last = "";
  return splits.map((seconds) => {
    const at = new Date(seconds * 1000);
    if (increment >= 28 * DAY) return month.format(at);
    if (increment >= DAY) return day.format(at);
    const date = day.format(at);
    const words = (increment < 60 ? precise : clock).format(at);
    const fresh = date !== last && last;
    last = date;
    return fresh || (!splits.indexOf(seconds) && span(splits) > DAY) ? `${words}\n${date}` : words;
  });
}

const span = (splits) => splits.at(-1) - splits[0];

/** The points without a neighbour, which no line shows. */
function alone(plot, series) {
  const values = plot.data[series];
  const known = (at) => values[at] !== null && values[at] !== undefined;
  return values.flatMap((_, at) => (known(at) && !known(at - 1) && !known(at + 1) ? [at] : []));
}

/** From nothing up to a little above the highest. */
function scale(chart) {
  return (_, __, highest) => [0, Math.max(chart.least ?? 1, (highest ?? 0) * 1.08)];
}

export class Plot {
  /** ``chart``: kind "line", "area" or "bars"; ``onZoom`` is told seconds from and to; ``onPoint`` an index or null. */
  constructor(holder, chart, {onZoom, onOut, onPoint, sync}) {
    Object.assign(this, {holder, chart, onZoom, onOut, onPoint, sync, plot: null, shape: ""});
    this.none = make("span", {class: "hchart__none", hidden: true}, "Nothing in this range");
    holder.append(this.none);
    new ResizeObserver(() => this.fit()).observe(holder);
  }

  /** ``lines``: {name, ink, values} from the bottom to the top. */
  draw(times, step, lines) {
    this.last = [times, step, lines];
    this.none.hidden = lines.some((line) => line.values.some((value) => value !== null && value !== 0));
    const pile = this.chart.stack && lines.length > 1;
    const columns = lines.map((line) => line.values);
    const data = [times, ...(pile ? stacked(columns) : columns)];
    const drawn = pile ? lines.toReversed() : lines;
    const shape = JSON.stringify([drawn.map((line) => [line.name, line.ink]), step]);
    if (shape !== this.shape) this.build(drawn, data, step, pile);
    else this.plot.setData(data);
    this.shape = shape;
  }

  /** Anew, as after a change of theme. */
  redraw() {
    this.shape = "";
    if (this.last) this.draw(...this.last);
  }

  size() {
    return {width: Math.max(120, this.holder.clientWidth - 12), height: this.holder.clientHeight};
  }

  fit() {
    const {width, height} = this.size();
    if (this.plot && (this.plot.width !== width || this.plot.height !== height)) this.plot.setSize({width, height});
  }

  build(lines, data, step, pile) {
    this.plot?.destroy();
    const ink = inks(this.holder);
    const axis = {stroke: ink.axis, font: ink.font, ticks: {show: false}, gap: 4};
    this.plot = new uPlot(
      {
        ...this.size(),
        padding: [10, 22, 0, 0],
        legend: {show: false},
        cursor: {
          sync: {key: this.sync},
          y: false,
          points: {size: 6, show: this.chart.kind !== "bars"},
          drag: {setScale: false, x: true, y: false},
          bind: {dblclick: () => () => this.onOut()},
        },
        scales: {x: {range: (_, first, last) => [first, last + step]}, y: {range: scale(this.chart)}},
        axes: [
          {...axis, grid: {show: false}, size: 30, space: 72, values: moments},
          {
            ...axis, size: 56, space: 30, grid: {stroke: ink.grid, width: 1},
            values: (_, splits) => splits.map((value) => this.chart.tick(value)),
            incrs: this.chart.increments,
          },
        ],
        series: [{}, ...lines.map((line) => this.series(line, ink, step, pile))],
        hooks: {
          setSelect: [(plot) => this.selected(plot)],
          setCursor: [(plot) => this.onPoint(plot.cursor.idx ?? null)],
        },
      },
      data,
      this.holder,
    );
    attr(this.plot.root.querySelector("canvas"), "aria-hidden", "true");
  }

  series(line, ink, step, pile) {
    const colour = ink[line.ink];
    if (this.chart.kind === "bars") {
      return {stroke: colour, fill: colour, width: 0, paths: uPlot.paths.bars({size: [0.8, 24], gap: 0, align: 1}), points: {show: false}};
    }
    const paths = step > 1 ? undefined : uPlot.paths.stepped({align: 1});
    const fill = this.chart.kind === "area" ? mixed(colour, ink.surface, pile ? 0.4 : 0.13) : undefined;
    const spanGaps = this.chart.kind === "line"; // a time to the first token is only known now and then
    return {stroke: colour, width: 1.25, fill, paths, spanGaps, points: {show: true, size: 4, fill: colour, width: 0, filter: alone}, dash: line.dashed ? [4, 3] : undefined};
  }

  selected(plot) {
    const {left, width} = plot.select;
    if (width > 4) this.onZoom(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
    plot.setSelect({left: 0, width: 0, top: 0, height: 0}, false);
  }
}
