/** The list of batches: each follows in place; a new one is drawn by the server. */

import {setSegments, setStatus, left} from "../batch.js";
import {all, field, make, one, put, show, stamp} from "../dom.js";
import {setTime} from "../clock.js";
import {number} from "../format.js";
import {avatar} from "../marks.js";
import {live} from "../socket.js";

const page = one("[data-page=batches]");
const body = one("[data-list] tbody");
const onLaterPage = "held" in page.dataset;

function insert(batch) {
  const row = stamp("batch");
  row.dataset.batch = batch.id;
  field(row, "title").setAttribute("href", `/batches/${batch.id}`);
  put(field(row, "title"), batch.title || "Untitled");
  put(field(row, "agent"), batch.agent);
  field(row, "owner").replaceChildren(avatar(batch.owner));
  field(row, "age").replaceChildren(make("time", {"data-age": true}));
  setTime(one("time", field(row, "age")), batch.created_at);
  const older = [...body.children].find((other) => Number(other.dataset.batch) < batch.id);
  body.insertBefore(row, older ?? null);
  return row;
}

function take(batch) {
  const row = one(`tr[data-batch="${batch.id}"]`, body) ?? (onLaterPage ? null : insert(batch));
  if (!row) return;
  setStatus(field(row, "state"), batch.status);
  setSegments(one("[data-segments]", row), batch.counts, batch.rows);
  put(field(row, "done"), number(batch.counts.completed));
  put(field(row, "rows"), number(batch.rows));
  put(field(row, "failed"), number(batch.counts.failed));
  put(field(row, "left"), left(batch.eta));
}

function takeAll(batches) {
  batches.forEach(take);
  const known = new Set(batches.map(({id}) => String(id)));
  const oldest = Math.min(...batches.map(({id}) => id));
  for (const row of all("tr[data-batch]", body)) {
    if (!known.has(row.dataset.batch) && Number(row.dataset.batch) > oldest) row.remove();
  }
  show(one("[data-list]"), body.children.length > 0);
  show(one("[data-empty]"), body.children.length === 0);
}

live.subscribe("batches", {
  onSnap: ({batches}) => takeAll(batches),
  onDelta: ({batches}) => batches && takeAll(batches),
});
