/** The editor of a workflow: the same thing as form and as YAML, checked and drawn while one types. */

import {all, attr, icon, make, one, put, show} from "../dom.js";
import {
  clearProblems, inputForm, insert, number, offer, place, readField, readInputs, readStep, refreshStep, stepForm, writeField,
} from "../flowform.js";
import {post} from "../forms.js";

const CHECK_AFTER_MS = 350;
const root = one("[data-page=workflow]");
const form = one("[data-flow-form]");
const list = one("[data-steps]");
const yaml = one("[data-yaml]");
let definition = JSON.parse(document.getElementById("workflow-data").textContent);
let saved = null;
let timer = null;
let asked = 0;

/* Plain data into the form and back */
function fill(given) {
  definition = given;
  for (const element of all("[data-wf]", form)) writeField(element, given[element.dataset.wf]);
  for (const element of all("[data-limit]", form)) writeField(element, given.limits?.[element.dataset.limit]);
  one("[data-inputs]").replaceChildren(...Object.entries(given.inputs ?? {}).map(([name, told]) => inputForm(name, told)));
  list.replaceChildren(...(given.steps ?? []).map(stepForm));
  one("[data-fold=inputs]").open = Object.keys(given.inputs ?? {}).length > 0;
  one("[data-fold=limits]").open = Boolean(given.limits || given.continue_on_error);
  arrange();
}

function read() {
  const found = {};
  for (const element of all("[data-wf]", form)) {
    const value = readField(element);
    if (value !== undefined && value !== "") found[element.dataset.wf] = value;
  }
  const limits = {};
  for (const element of all("[data-limit]", form)) if (element.value !== "") limits[element.dataset.limit] = Number(element.value);
  const inputs = readInputs(form);
  return {
    name: "",
    ...found,
    ...(Object.keys(limits).length ? {limits} : {}),
    ...(Object.keys(inputs).length ? {inputs} : {}),
    steps: all("[data-flowstep]", list).map(readStep),
  };
}

function arrange() {
  number(list);
  offer(list);
  const count = all("[data-input]", form).length;
  put(one("[data-count-inputs]"), count ? String(count) : "");
}

/* Checked while one types */
const shownPane = () => (form.hidden ? "yaml" : "form");
const csrf = () => one("input[name=csrfmiddlewaretoken]", form).value;

function body() {
  const fields = new FormData();
  fields.append("csrfmiddlewaretoken", csrf());
  if (shownPane() === "yaml") fields.append("yaml", yaml.value);
  else fields.append("definition", JSON.stringify(read()));
  return fields;
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(check, CHECK_AFTER_MS);
}

async function check() {
  clearTimeout(timer);
  asked += 1;
  const mine = asked;
  const answer = await post(root.dataset.check, body());
  if (!answer || mine !== asked) return null;
  const dag = one("[data-dag]");
  if (answer.dag) dag.replaceChildren(parsed(answer.dag));
  attr(dag, "data-stale", answer.dag ? null : true);
  put(one("[data-graph-state]"), answer.dag ? "" : "as it was before");
  return answer;
}

function parsed(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  return document.adoptNode(page.body.firstElementChild);
}

/* Complaints come when one saves */
function complain(problems) {
  clearProblems(form);
  for (const problem of problems) place(form, list, problem);
  one("[data-problems]").replaceChildren(...problems.map(complaint));
  show(one("[data-problem-card]"), problems.length > 0);
}

function complaint({line, step, message}) {
  const where = `${line ? `Line ${line}: ` : ""}${step ? `“${step}”: ` : ""}`;
  return make("li", {}, icon("failed"), make("span", {}, where + message));
}

async function onInput(event) {
  const step = event.target.closest("[data-flowstep]");
  if (step) refreshStep(step);
  arrange();
  soon();
}

async function save(event) {
  event.preventDefault();
  const checked = await check();
  if (checked?.problems.length) {
    refuse(checked.problems);
    return;
  }
  const fields = new FormData(form, event.submitter);
  fields.append("definition", JSON.stringify(read()));
  const button = one("button[type=submit]", form);
  attr(button, "aria-busy", true);
  const answer = await fetch(location.pathname, {method: "POST", body: fields, headers: {Accept: "application/json"}}).catch(() => null);
  attr(button, "aria-busy", null);
  const told = await answer?.json().catch(() => null);
  if (answer?.ok) {
    saved = JSON.stringify(read());
    location.assign(told.url);
    return;
  }
  const error = told?.error ?? {message: "Drover did not answer. Nothing was saved.", detail: {}};
  refuse(error.detail.problems ?? [{message: error.message}]);
}

/** The focus goes to the first field that is wrong. */
function refuse(problems) {
  complain(problems);
  const field = one("[data-invalid] :is(input, textarea, select)", form);
  if (field) field.focus();
  else one("[data-problem-card]").scrollIntoView({block: "nearest"});
}

/* Steps are added, moved, removed by buttons; the focus goes with them */
function act(event) {
  const button = event.target.closest("button");
  const step = button?.closest("[data-flowstep]");
  if (!button) return;
  if ("addStep" in button.dataset) add();
  else if ("addInput" in button.dataset) addInput();
  else if ("removeInput" in button.dataset) button.closest("[data-input]").remove();
  else if ("quote" in button.dataset) insert(button);
  else if ("up" in button.dataset) shift(step, step.previousElementSibling, "before", button);
  else if ("down" in button.dataset) shift(step, step.nextElementSibling, "after", button);
  else if ("remove" in button.dataset) remove(step);
  else return;
  arrange();
  soon();
}

function add() {
  const taken = new Set(all("[data-s=name]", list).map(({value}) => value));
  let at = taken.size + 1;
  while (taken.has(`part${at}`)) at += 1;
  const fresh = stepForm({name: `part${at}`, type: "generate", input: ""});
  list.append(fresh);
  const name = one("[data-s=name]", fresh);
  name.focus();
  name.select();
}

function addInput() {
  const fresh = inputForm("", {});
  one("[data-inputs]").append(fresh);
  one("[data-i=name]", fresh).focus();
}

function shift(step, other, side, button) {
  if (!other) return;
  other[side](step);
  arrange();
  (button.disabled ? one("[data-up]:not(:disabled), [data-down]:not(:disabled)", step) : button)?.focus();
}

function remove(step) {
  const next = step.nextElementSibling ?? step.previousElementSibling;
  step.remove();
  one("[data-s=name]", next)?.focus();
}

/* The same in the other tab */
async function turn(event) {
  const pane = event.currentTarget.dataset.paneLink;
  event.preventDefault();
  if (pane === shownPane()) return;
  const answer = await check();
  if (!answer) return;
  const unreadable = shownPane() === "yaml" && !answer.definition;
  complain(unreadable ? answer.problems : []);
  if (unreadable) return;
  if (pane === "yaml") yaml.value = answer.yaml;
  else fill(answer.definition);
  show(form, pane === "form");
  show(one("[data-yaml-form]"), pane === "yaml");
  for (const link of all("[data-pane-link]")) attr(link, "aria-current", link.dataset.paneLink === pane ? "true" : null);
  history.replaceState(null, "", `?tab=${pane}`);
}

const unsaved = () => saved !== null && JSON.stringify(read()) !== saved;

function openRun(event) {
  const dialog = document.getElementById("run-dialog");
  event.preventDefault();
  show(one("[data-unsaved]", dialog), unsaved());
  dialog.showModal();
}

if (form) {
  fill(definition);
  saved = JSON.stringify(read());
  form.addEventListener("input", onInput);
  form.addEventListener("click", act);
  form.addEventListener("submit", save);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) form.requestSubmit(one("button[type=submit]:not(:disabled)", form));
  });
  yaml.addEventListener("input", soon);
  for (const link of all("[data-pane-link]")) link.addEventListener("click", turn);
  one("[data-dag]").addEventListener("click", (event) => {
    const name = event.target.closest("[data-goto]")?.dataset.goto;
    const step = name && all("[data-flowstep]", list).find((each) => one("[data-s=name]", each).value === name);
    if (!step) return;
    event.preventDefault();
    one("[data-s=name]", step).focus();
  });
  window.addEventListener("beforeunload", (event) => unsaved() && event.preventDefault());
}
one("[data-open-run]")?.addEventListener("click", openRun);
one("[data-close-run]")?.addEventListener("click", () => document.getElementById("run-dialog").close());
