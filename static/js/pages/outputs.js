/** The search over answers: j and k walk, the reader beside the list shows the one that is walked to. */

import {all, attr, one, put, show} from "../dom.js";
import {bind} from "../keys.js";
import {copyAnswer, dress, rate} from "../reader.js";
import {refresh} from "../regions.js";

const page = one("[data-page=outputs]");
const list = one("[data-rows]");
const reader = one("[data-reader]");
const region = one('[data-region="reader"]');
const bar = one("[data-bulkbar]");

const rows = () => all("[data-output]", list);
const focused = () => one("[data-focus]", list);
const link = (row) => one("[data-open]", row);
let asked = 0;
let current = focused()?.dataset.output;

/* Reading */
async function open(row) {
  focus(row);
  const mine = ++asked;
  const answer = await fetch(link(row).href, {headers: {Accept: "text/html"}}).catch(() => null);
  if (mine !== asked) return;
  if (!answer?.ok || answer.redirected) {
    location.assign(link(row).href);
    return;
  }
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (mine !== asked) return;
  const before = document.activeElement;
  region.replaceChildren(...document.adoptNode(one('[data-region="reader"]', fresh)).childNodes);
  region.scrollTop = 0;
  show(reader, true);
  attr(page, "data-reading", true);
  dress(region);
  remember(row.dataset.output);
  if (before && !before.isConnected) (one(`[data-key="${before.dataset.key}"]`, region) ?? one("#reader-title", region))?.focus();
}

function close() {
  asked += 1;
  if (reader.hidden) return false;
  const inside = reader.contains(document.activeElement);
  show(reader, false);
  attr(page, "data-reading", null);
  remember(null);
  if (inside && focused()) link(focused()).focus();
  return true;
}

/** The reader belongs to the address: a reload or a link shows the same. */
function remember(id) {
  const address = new URL(location.href);
  if (id) address.searchParams.set("open", id);
  else address.searchParams.delete("open");
  history.replaceState(null, "", address);
}

function focus(row) {
  for (const other of all("[data-focus]", list)) attr(other, "data-focus", null);
  attr(row, "data-focus", true);
  current = row.dataset.output;
  row.scrollIntoView({block: "nearest"});
}

function walk(step) {
  const all = rows();
  if (!all.length) return;
  const next = all[Math.max(0, Math.min(all.length - 1, all.indexOf(focused()) + step))];
  if (reader.hidden) focus(next);
  else if (next !== focused()) open(next);
}

list.addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-open]");
  if (!chosen || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  open(chosen.closest("[data-output]")).then(() => one("#reader-title", region)?.focus());
});
reader.addEventListener("click", (event) => {
  const step = event.target.closest("[data-walk]");
  if (step) walk(Number(step.dataset.walk));
  if (event.target.closest("[data-copy-answer]")) copyAnswer(region);
  if (event.target.closest("[data-close]")) {
    event.preventDefault();
    close();
  }
});
if (!reader.hidden) dress(region);

/* What people think of it */
document.addEventListener("drover:acted", () => {
  refresh("results", "count");
  if (!reader.hidden && focused()) open(focused());
});
list.addEventListener("drover:region", () => {
  const row = current && one(`[data-output="${current}"]`, list);
  if (row) attr(row, "data-focus", true);
  selection();
});

/* Selection */
const boxes = () => all("input[name=ids]", list);

function selection() {
  const chosen = boxes().filter((box) => box.checked).length;
  show(bar, chosen > 0);
  put(one("[data-selected-count]"), `${chosen} selected`);
}

list.addEventListener("change", selection);
selection();

function tick() {
  const box = focused() && one("input[name=ids]", focused());
  if (!box) return;
  box.checked = !box.checked;
  selection();
}

/** Rates the answer in the reader, and opens it first: nobody rates what he does not see. */
async function give(stars) {
  if (reader.hidden && focused()) await open(focused());
  else if (!reader.hidden) rate(region, stars);
}

bind({
  j: () => walk(1),
  k: () => walk(-1),
  x: tick,
  o: () => focused() && open(focused()),
  Enter(event) {
    if (!focused() || event.target.closest("a, button, summary, input, select")) return false;
    open(focused());
  },
  c: () => copyAnswer(region),
  Escape() {
    if (close()) return;
    for (const box of boxes()) box.checked = false;
    one("[data-facets]").removeAttribute("data-open");
    selection();
  },
  ...Object.fromEntries([0, 1, 2, 3, 4, 5].map((stars) => [String(stars), () => give(stars)])),
});

one("[data-facets-toggle]").addEventListener("click", (event) => {
  const isOpen = one("[data-facets]").toggleAttribute("data-open");
  event.currentTarget.setAttribute("aria-expanded", String(isOpen));
});
