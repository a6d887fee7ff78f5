/** What a node is told to do with a model: how far it is, live, and everything around it when its state changes. */

import {attr, field, one, put, soon} from "../dom.js";
import {bind} from "../keys.js";
import {setState} from "../marks.js";
import {refresh} from "../regions.js";
import {live} from "../socket.js";
import {title} from "../tabtitle.js";

const task = JSON.parse(document.getElementById("task-data").textContent);
const AROUND = ["state", "waits", "actions", "thumb", "verdict", "how", "attempts", "tries", "side"];
const LAYERS_MS = 2000;
let row = {...task};

const layers = soon(() => refresh("how"), LAYERS_MS);

function takeRow(next) {
  if (next.version !== undefined && row.version !== undefined && next.version < row.version) return;
  const changed = next.state !== row.state || next.version !== row.version;
  row = {...row, ...next};
  setState(one("[data-region=state]"), row.state);
  title(row);
  if (changed) refresh(...AROUND);
}

/** Bytes are told as they come; what the server drew, a moment ago, is never undone by what is older. */
function progress(lines) {
  for (const [id, attempt, phase, , , percent, message] of lines) {
    if (id !== task.id) continue;
    const state = row.state === "cancelling" ? row.state : phase;
    row = {...row, phase, state, attempt_id: attempt, progress: percent, message};
    setState(one("[data-region=state]"), state);
    title(row);
    draw(percent, message);
    layers();
  }
}

function draw(percent, message) {
  const how = one("[data-region=how]");
  const shown = field(how, "percent");
  if (shown && percent >= parseInt(shown.textContent, 10)) {
    put(shown, `${percent} %`);
    attr(field(how, "bar"), "aria-label", `${percent} %`);
    attr(field(how, "bar").querySelector("rect"), "width", `${percent}%`);
  }
  if (message) put(field(how, "words"), message);
}

live.subscribe(`task:${task.id}`, {
  onSnap: (snap) => takeRow(snap.row ?? snap.task),
  onDelta(delta) {
    if (delta.row) takeRow(delta.row);
    if (delta.progress) progress(delta.progress);
    if (delta.reason !== undefined) refresh("waits");
    if (delta.end) {
      put(one("[data-announce]"), `The task ${delta.end.status === "completed" ? "is done" : `is ${delta.end.status}`}.`);
      refresh(...AROUND);
    }
  },
});

document.addEventListener("drover:acted", () => refresh(...AROUND));

const press = (key) => document.querySelector(`[data-region=actions] [data-key=${key}]:not(:disabled)`)?.click();
bind({r: () => press("retry"), Backspace: () => press("cancel")});
title(row);
