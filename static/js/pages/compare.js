/** A comparison: answers stream in beside each other; a row is drawn by the server when one of them has ended. */

import {all, one, soon} from "../dom.js";
import {setState} from "../marks.js";
import {refresh} from "../regions.js";
import {live} from "../socket.js";
import {StreamView} from "../stream.js";

const ENDED = new Set(["completed", "failed", "cancelled"]);
const STREAMS_AT_ONCE = 24; // a socket holds 32 subscriptions
const page = one("[data-page=comparison]");
const following = new Map();

/* Rows are drawn again while others of their answers are written: elements are looked up, never kept. */
const answerOf = (id) => one(`[data-task="${id}"]`, page);
const rowOf = (element) => element.closest("[data-region]").dataset.region;
const around = soon(() => refresh("acts", "wins"), 500);

/** Text that is complete is drawn as Markdown at once; what is written still is followed. */
function dress(answer) {
  const output = one("[data-stream]", answer);
  if (!output || output.dataset.dressed) return;
  const id = answer.dataset.task;
  const ended = ENDED.has(answer.dataset.status);
  if (!ended && (following.has(id) || following.size >= STREAMS_AT_ONCE)) return;
  output.dataset.dressed = "yes";
  const text = output.textContent; // the view clears what the server drew
  const view = new StreamView(output, {scroller: output.parentElement, onGap: () => following.get(id)?.refresh()});
  view.snapshot({text, ended: ended ? answer.dataset.status : null});
  if (ended) view.follow(false);
  else follow(id, view);
}

function follow(id, view) {
  const subscription = live.subscribe(`task:${id}`, {
    onSnap({task, text}) {
      view.snapshot(text);
      setState(answerOf(id), task.state);
      if (text.ended) end(id);
    },
    onDelta({text, row, progress, end: last}) {
      if (text) view.frame(text);
      if (row) setState(answerOf(id), row.state);
      if (progress) setState(answerOf(id), progress[0][2]);
      if (last && view.end(last)) end(id);
    },
  });
  following.set(id, subscription);
}

function end(id) {
  const answer = answerOf(id);
  following.get(id)?.close();
  following.delete(id);
  answer.dataset.status = "ended";
  for (const kept of all("[data-keep]", answer)) kept.removeAttribute("data-keep");
  refresh(rowOf(answer));
  around();
  all("[data-task]", page).forEach(dress);
}

/** Rows of answers that are not followed, because there are too many of them. */
function takeRows(rows) {
  for (const row of rows) {
    const answer = answerOf(row.id);
    if (!answer || following.has(String(row.id)) || ENDED.has(answer.dataset.status)) continue;
    setState(answer, row.state);
    if (ENDED.has(row.status) && answer.dataset.status !== "ended") end(String(row.id));
    else dress(answer);
  }
}

page.addEventListener("drover:region", ({target}) => all("[data-task]", target).forEach(dress));
page.addEventListener("drover:acted", ({target}) => {
  refresh("acts", "wins", rowOf(target));
});

all("[data-task]", page).forEach(dress);
if (page.dataset.runId && all("[data-keep]", page).length) {
  live.subscribe(`run:${page.dataset.runId}`, {
    onSnap: ({rows}) => takeRows(rows ?? []),
    onDelta: ({rows}) => rows && takeRows(rows),
  });
}
