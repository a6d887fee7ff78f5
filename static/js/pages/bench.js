/** One benchmark: the server draws, the page asks it again as figures come in; charts have a table behind them. */

import {all, attr, one, soon} from "../dom.js";
import {bind} from "../keys.js";
import {refresh} from "../regions.js";
import {live} from "../socket.js";

const PARTS = ["acts", "state", "drifts", "heat", "curves", "cells", "places", "remarks"];
const ENDED = new Set(["completed", "failed", "cancelled"]);
const page = one("[data-page=benchmark]");

const later = soon(() => refresh(...PARTS), 1000);
let over = !one("form[action$='/cancel']", page);

live.subscribe(`run:${page.dataset.runId}`, {
  onSnap: ({run}) => notice(run),
  onDelta: ({run, rows}) => (run ? notice(run) : rows && later()),
});

/** What has ended is drawn once more and then left alone. */
function notice(run) {
  const ended = run && ENDED.has(run.status);
  if (!(ended && over)) later();
  over = Boolean(ended);
}

function show(view) {
  one("[data-charts]").dataset.charts = view;
  for (const button of all("[data-chart-view]")) attr(button, "aria-pressed", String(button.dataset.chartView === view));
}

page.addEventListener("click", (event) => {
  const button = event.target.closest("[data-chart-view]");
  if (button) show(button.dataset.chartView);
});
bind({t: () => show(one("[data-charts]").dataset.charts === "chart" ? "table" : "chart")});
document.addEventListener("drover:acted", later);
