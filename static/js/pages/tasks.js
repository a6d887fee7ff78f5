/**
 * The task list: rows change in place. New ones come in at the top, unless somebody has scrolled or is selecting; then
 * they wait behind "↑ 4 new". Rows that no longer match fade and leave when nobody minds.
 */

import {all, attr, field, one, put, show, stamp} from "../dom.js";
import {number} from "../format.js";
import {bind} from "../keys.js";
import {patchRow, withProgress} from "../rows.js";
import {live} from "../socket.js";

const MOST_ROWS = 200;
const PAGE_ROWS = 100;
const page = one("[data-page=tasks]");
const body = one("[data-rows] tbody");
const scroll = one("[data-scroll]");
const bar = one("[data-newbar]");
const form = one("[data-bulk]");
const onLaterPage = "held" in page.dataset;

const rows = new Map();
const held = new Map();
let added = 0;

const elementOf = (id) => one(`tr[data-task="${id}"]`, body);
const boxes = () => all("input[name=ids]", body);
const selected = () => boxes().filter((box) => box.checked);

function isCalm() {
  return !onLaterPage && scroll.scrollTop < 8 && selected().length === 0;
}

function insert(row) {
  const element = stamp("task-row");
  patchRow(element, row);
  attr(element, "data-fresh", true);
  const older = [...body.children].find((other) => Number(other.dataset.task) < row.id);
  body.insertBefore(element, older ?? null);
  if (body.children.length > MOST_ROWS) body.lastElementChild.remove();
}

function take(row) {
  const known = rows.get(row.id);
  if (known && known.version > row.version) return;
  rows.set(row.id, row);
  const element = elementOf(row.id);
  if (element) patchRow(element, row);
  else if (row.id < oldestShown()) return;
  else if (isCalm()) insert(row);
  else held.set(row.id, row);
}

/** Rows below the page belong to the next one. */
function oldestShown() {
  const last = body.lastElementChild;
  return last && one("a[rel=next]") ? Number(last.dataset.task) : 0;
}

function leave(id) {
  held.delete(id);
  rows.delete(id);
  const element = elementOf(id);
  if (!element) return;
  if (isCalm() && !element.matches(":hover, :focus-within")) element.remove();
  else element.classList.add("row--leaving");
}

function release() {
  for (const row of [...held.values()].sort((a, b) => a.id - b.id)) insert(row);
  held.clear();
  for (const element of all(".row--leaving", body)) element.remove();
  scroll.scrollTop = 0;
  settle();
}

/** What stands around the rows: the bar with news, the empty state, the number shown. */
function settle() {
  const news = held.size + added;
  show(bar, news > 0);
  put(one("[data-newbar-text]"), `${number(news)} new task${news === 1 ? "" : "s"}`);
  show(one("[data-rows]"), body.children.length > 0);
  show(one("[data-empty]"), body.children.length === 0);
  put(one("[data-shown]"), `${body.children.length} shown`);
  selection();
}

function counts(now) {
  if (page.dataset.filter) return;
  for (const [word, count] of Object.entries(now)) put(one(`[data-facet=status] [data-count="${word}"]`), number(count));
}

function snapshot({rows: fresh, counts: now, more}) {
  const ids = new Set(fresh.map((row) => row.id));
  const oldest = more && fresh.length ? Math.min(...ids) : 0;
  fresh.forEach(take);
  if (!onLaterPage) {
    for (const element of [...body.children]) {
      const id = Number(element.dataset.task);
      if (id >= oldest && !ids.has(id)) leave(id);
    }
  }
  if (now) counts(now);
  settle();
}

function progress(lines) {
  for (const line of lines) {
    const row = rows.get(line[0]);
    const next = row && withProgress(row, line);
    if (!next) continue;
    rows.set(row.id, next);
    const element = elementOf(row.id);
    if (element) patchRow(element, next);
  }
}

function reasons(waits) {
  for (const [id, wait] of Object.entries(waits)) {
    const row = rows.get(Number(id));
    if (row) take({...row, ...wait});
  }
}

live.subscribe("tasks", {
  filter: [page.dataset.filter, `limit=${PAGE_ROWS}`].filter(Boolean).join("&"),
  onSnap: snapshot,
  onDelta(delta) {
    delta.rows?.forEach(take);
    delta.gone?.forEach(leave);
    if (delta.progress) progress(delta.progress);
    if (delta.reasons) reasons(delta.reasons);
    if (delta.counts) counts(delta.counts);
    if (delta.added) added += delta.added.count ?? delta.added;
    if (delta.rows || delta.gone || delta.added) settle();
  },
});

bar.addEventListener("click", () => {
  if (added || onLaterPage) location.assign(`/tasks${page.dataset.filter ? `?${page.dataset.filter}` : ""}`);
  else release();
});
scroll.addEventListener("scroll", () => held.size && isCalm() && release(), {passive: true});

/* Selection */
let lastBox = null;

function selection() {
  const chosen = selected();
  const bulk = one("[data-bulkbar]");
  show(bulk, chosen.length > 0);
  put(one("[data-selected-count]"), `${chosen.length} selected`);
  bulk.setAttribute("aria-label", `${chosen.length} selected`);
  const every = one("[data-select-all]");
  every.checked = chosen.length > 0;
  every.indeterminate = chosen.length > 0 && chosen.length < boxes().length;
  for (const box of boxes()) attr(box.closest("tr"), "aria-selected", box.checked ? "true" : null);
}

form.addEventListener("click", (event) => {
  const box = event.target.closest("input[name=ids]");
  if (!box) return;
  if (event.shiftKey && lastBox) {
    const list = boxes();
    const [from, to] = [list.indexOf(lastBox), list.indexOf(box)].sort((a, b) => a - b);
    list.slice(Math.max(0, from), to + 1).forEach((between) => (between.checked = box.checked));
  }
  lastBox = box;
  selection();
});
one("[data-select-all]").addEventListener("change", (event) => {
  for (const box of boxes()) box.checked = event.target.checked;
  selection();
});

/* Keyboard: one row has the focus mark */
let focused = null;

function focusRow(step) {
  const list = [...body.children];
  if (!list.length) return;
  const at = list.findIndex((element) => element.dataset.task === focused);
  const next = list[Math.max(0, Math.min(list.length - 1, at + step))];
  for (const element of all("[data-focus]", body)) attr(element, "data-focus", null);
  attr(next, "data-focus", true);
  focused = next.dataset.task;
  next.scrollIntoView({block: "nearest"});
}

const focusedRow = () => (focused ? elementOf(focused) : null);

function mark() {
  const box = focusedRow()?.querySelector("input[name=ids]");
  if (!box) return;
  box.checked = !box.checked;
  lastBox = box;
  selection();
}

function act(action) {
  if (!selected().length) mark();
  const button = one(`button[value="${action}"]`, form);
  if (selected().length && !button.disabled) form.requestSubmit(button);
}

bind({
  j: () => focusRow(1),
  k: () => focusRow(-1),
  x: mark,
  Enter(event) {
    if (!focusedRow() || event.target.closest("a, button, summary")) return false;
    location.assign(field(focusedRow(), "title").href);
  },
  r: () => act("retry"),
  Backspace: () => act("cancel"),
  Escape() {
    for (const box of boxes()) box.checked = false;
    show(bar, held.size > 0);
    one("[data-facets]").removeAttribute("data-open");
    selection();
  },
});

one("[data-facets-toggle]").addEventListener("click", (event) => {
  const open = one("[data-facets]").toggleAttribute("data-open");
  event.currentTarget.setAttribute("aria-expanded", String(open));
});

selection();
