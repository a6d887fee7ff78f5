/** The form of a batch: what is pasted or dropped is looked at by the server while one types; five rows can be tried. */

import {patchLine, patchProgress} from "../batch.js";
import {all, attr, one, put, show, soon, stamp} from "../dom.js";
import {number} from "../format.js";
import {kindOf, post} from "../forms.js";
import {live} from "../socket.js";
import {toast} from "../toasts.js";

const form = one("[data-page=batch-new]");
const file = form.elements.file;
const zone = one("[data-drop]", form);
const look = one("[data-look]", form);
const LOOK_MS = 500;
const UNSEEN = new Set(["skip_done", "title", "tags", "priority"]);
let asking = null;

const type = () => new FormData(form).get("type");
const hasRows = () => file.files.length > 0 || form.elements.text.value.trim() !== "";

function arrange() {
  for (const part of all("[data-for]", form)) show(part, part.dataset.for.split(" ").includes(kindOf(type())));
}

/* Preview: the columns are exchanged only when there are others, so that no choice is lost under the hand */
async function lookNow() {
  asking?.abort();
  asking = new AbortController();
  attr(look, "aria-busy", "true");
  put(one("[data-look-state]"), hasRows() ? "Looking…" : "");
  try {
    const answer = await fetch(form.dataset.preview, {
      method: "POST",
      body: new FormData(form),
      headers: {Accept: "text/html"},
      signal: asking.signal,
    });
    if (answer.redirected || !answer.ok) throw new Error(String(answer.status));
    exchange(new DOMParser().parseFromString(await answer.text(), "text/html"));
    put(one("[data-look-state]"), "");
  } catch (error) {
    if (error.name === "AbortError") return;
    put(one("[data-look-state]"), "Drover did not answer.");
  }
  attr(look, "aria-busy", "false");
}

function exchange(fresh) {
  const [columns, theirs] = [one("[data-region=columns]", form), one("[data-region=columns]", fresh)];
  if (columns.dataset.columns !== theirs.dataset.columns) {
    attr(columns, "data-columns", theirs.dataset.columns);
    columns.replaceChildren(...document.adoptNode(theirs).childNodes);
  } else {
    const [words, news] = [one("p", columns), one("p", theirs)];
    if (words && news && words.className === news.className) put(words, news.textContent);
  }
  one("[data-region=looked]", form).replaceChildren(...document.adoptNode(one("[data-region=looked]", fresh)).childNodes);
  settle();
}

/** The buttons say what they will do. */
function settle() {
  const found = one(".looked[data-rows]", form);
  const rows = Number(found?.dataset.rows ?? 0);
  const done = Number(found?.dataset.done ?? 0);
  const skipped = form.elements.skip_done.checked ? done : 0;
  show(one("[data-skip]"), done > 0);
  put(one("[data-skip-words]"), `Skip ${number(done)} row${done === 1 ? "" : "s"} done already (${found?.dataset.doneRuns ?? ""})`);
  const start = one("[data-start]");
  if (!start) return;
  start.disabled = rows - skipped <= 0;
  one("[data-dry]").disabled = rows === 0;
  put(one("[data-start-words]"), rows - skipped > 0 ? `Start ${number(rows - skipped)} row${rows - skipped === 1 ? "" : "s"}` : "Start");
}

const lookSoon = soon(lookNow, LOOK_MS);
form.addEventListener("input", (event) => {
  if (event.target === file || UNSEEN.has(event.target.name)) return;
  lookSoon();
});
form.addEventListener("change", (event) => {
  arrange();
  if (event.target === file) showFile();
  if (event.target.name === "skip_done") settle();
  if (event.target === file || event.target.tagName === "SELECT") lookSoon();
});

/* The file */
function showFile() {
  const chosen = file.files[0];
  put(one("[data-file-name]"), chosen ? `${chosen.name}, ${number(Math.ceil(chosen.size / 1024))} KB` : "Drop a file here, or choose one");
  show(one("[data-no-file]"), Boolean(chosen));
  show(one("[data-paste]"), !chosen);
}

for (const kind of ["dragover", "dragleave", "drop"]) {
  zone.addEventListener(kind, (event) => {
    event.preventDefault();
    zone.toggleAttribute("data-over", kind === "dragover");
    if (kind !== "drop" || !event.dataTransfer.files.length) return;
    const transfer = new DataTransfer();
    transfer.items.add(event.dataTransfer.files[0]);
    file.files = transfer.files;
    showFile();
    lookNow();
  });
}
one("[data-no-file]").addEventListener("click", (event) => {
  event.preventDefault();
  file.value = "";
  showFile();
  lookNow();
  form.elements.text.focus();
});

/* A column into the prompt, where the caret is */
form.addEventListener("click", (event) => {
  const chip = event.target.closest("[data-insert]");
  if (!chip) return;
  const area = form.elements.template;
  area.setRangeText(chip.dataset.insert, area.selectionStart, area.selectionEnd, "end");
  area.focus();
  lookSoon();
});

/* Sent by script, so that the file stays chosen when something is wrong */
form.addEventListener("submit", async (event) => {
  const button = event.submitter ?? one("[data-start]");
  if (!button || !["dry", "start"].includes(button.value)) return;
  event.preventDefault();
  if (form.dataset.sending) return;
  form.dataset.sending = "yes";
  attr(button, "aria-busy", "true");
  const fields = new FormData(form);
  fields.set("action", button.value);
  const outcome = await post(form.getAttribute("action"), fields);
  attr(button, "aria-busy", null);
  delete form.dataset.sending;
  if (outcome && button.value === "start") location.assign(outcome.url);
  else if (outcome) watchDryRun(outcome);
});
document.addEventListener("keydown", (event) => {
  const start = one("[data-start]");
  if (event.key === "Enter" && (event.metaKey || event.ctrlKey) && start && !start.disabled) form.requestSubmit(start);
});

/* The dry run, live beside the form */
let watching = null;

function watchDryRun({id, url}) {
  watching?.close();
  const card = one("[data-dry-run]");
  const body = one("tbody", card);
  body.replaceChildren();
  show(card, true);
  attr(one("[data-dry-link]"), "href", url);
  card.scrollIntoView({block: "nearest"});
  const take = (line) => {
    let element = one(`tr[data-row="${line.key}"]`, body);
    if (!element) body.append((element = stamp("batch-row")));
    patchLine(element, line);
  };
  let over = false;
  const noteEnd = (batch) => {
    if (over || ["pending", "running", "paused"].includes(batch.status)) return;
    over = true;
    toast(`The dry run ${batch.status === "completed" ? "is done" : `ended: ${batch.status}`}.`, batch.counts.failed ? "warn" : "completed");
    lookNow();
  };
  watching = live.subscribe(`run:${id}`, {
    filter: "view=batch",
    onSnap(snap) {
      snap.lines.forEach(take);
      noteEnd(snap.batch);
    },
    onDelta(delta) {
      for (const line of delta.progress ?? []) for (const element of all(`tr[data-task="${line[0]}"]`, body)) patchProgress(element, line);
      delta.lines?.forEach(take);
      if (delta.batch) noteEnd(delta.batch);
    },
  });
}

arrange();
showFile();
settle();
if (hasRows()) lookSoon();
else form.elements.text.focus();
