/** A workflow as fields: steps and inputs written into forms and read back as the same plain data. */

import {all, attr, make, one, put, show, stamp} from "./dom.js";

let serial = 0;

/* Values */
const WRITE = {
  names: (value) => (value ?? []).join(", "),
  json: (value) => (value === undefined || value === null ? "" : JSON.stringify(value)),
  number: (value) => value ?? "",
  think: (value) => (value === undefined || value === null ? "" : String(value)),
};

const READ = {
  names: (text) => text.split(",").map((name) => name.trim()).filter(Boolean),
  number: (text) => (text === "" ? undefined : Number(text)),
  think: (text) => ({"": undefined, true: true, false: false})[text] ?? (text || undefined),
  /** What is no JSON is sent as it is, and refused where it stands. */
  json(text) {
    if (!text.trim()) return undefined;
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  },
};

function write(element, value) {
  const as = WRITE[element.dataset.as];
  if (element.type === "checkbox") element.checked = Boolean(value);
  else if (element.tagName === "SELECT") select(element, as ? as(value) : String(value ?? ""));
  else element.value = as ? as(value) : (value ?? "");
}

/** An agent that is gone, or one named by its id, stays chosen. */
function select(element, value) {
  if (value && ![...element.options].some((option) => option.value === value)) element.append(make("option", {}, value));
  element.value = value;
}

function read(element) {
  if (element.type === "checkbox") return element.checked || undefined;
  const as = READ[element.dataset.as];
  return as ? as(element.value) : element.value;
}

/* Steps */
export function stepForm(step) {
  const form = stamp("step");
  serial += 1;
  for (const element of all("[data-s]", form)) write(element, step[element.dataset.s]);
  const atOnce = one("[data-s=at_once]", form);
  atOnce.checked = Array.isArray(step.depends_on) && !step.depends_on.length;
  if (Array.isArray(step.input)) one("[data-s=input]", form).dataset.list = "yes";
  if (Array.isArray(step.input)) one("[data-s=input]", form).value = step.input.join("\n");
  refreshStep(form);
  return form;
}

const PLAIN = new Set(["name", "type", "input"]);
const moreOf = (step) => Object.keys(step).filter((name) => !PLAIN.has(name));

export function readStep(form) {
  const step = {};
  for (const element of all("[data-s]", form)) {
    const value = read(element);
    if (value !== undefined && value !== "" && !(Array.isArray(value) && !value.length)) step[element.dataset.s] = value;
  }
  if (step.at_once && !step.depends_on) step.depends_on = [];
  delete step.at_once;
  if (one("[data-s=input]", form).dataset.list && step.input) step.input = step.input.split("\n").filter((line) => line.trim());
  return {name: "", ...step};
}

/** What is hidden in the fold is said beside its title. */
export function refreshStep(form) {
  const more = moreOf(readStep(form));
  put(one("[data-more-words]", form), more.map((name) => name.replaceAll("_", " ")).join(", "));
}

export function number(list) {
  all("[data-flowstep]", list).forEach((form, index, {length}) => {
    put(one("[data-n]", form), String(index + 1));
    form.id = `step-${one("[data-s=name]", form).value}`;
    attr(form, "aria-label", `Step ${index + 1}`);
    one("[data-up]", form).disabled = index === 0;
    one("[data-down]", form).disabled = index === length - 1;
    one("[data-remove]", form).disabled = length === 1;
  });
}

/** Buttons that put a placeholder where the cursor is: of the steps before, of the inputs. */
export function offer(list) {
  const inputs = readInputs(document);
  const names = [];
  for (const form of all("[data-flowstep]", list)) {
    const each = one("[data-s=for_each]", form).value.trim() ? ["item", "index"] : [];
    const wanted = [...names.slice(-6), ...Object.keys(inputs).map((name) => `input.${name}`), ...each];
    const holder = one("[data-quotes]", form);
    if (holder.dataset.shown !== wanted.join(" ")) {
      holder.dataset.shown = wanted.join(" ");
      holder.replaceChildren(...wanted.map(quoteButton));
    }
    const name = one("[data-s=name]", form).value.trim();
    if (name) names.push(name);
  }
}

function quoteButton(name) {
  return make("button", {class: "chip mono", type: "button", "data-quote": name, "aria-label": `Insert ${name}`}, `{{${name}}}`);
}

export function insert(button) {
  const area = one("[data-s=input]", button.closest("[data-flowstep]"));
  area.setRangeText(`{{${button.dataset.quote}}}`, area.selectionStart, area.selectionEnd, "end");
  area.focus();
  area.dispatchEvent(new Event("input", {bubbles: true}));
}

/* Inputs */
export function inputForm(name, told) {
  const form = stamp("input");
  one("[data-i=name]", form).value = name;
  const value = told?.default;
  const plain = typeof value === "string" || value === undefined || value === null;
  const box = one("[data-i=default]", form);
  box.value = plain ? (value ?? "") : JSON.stringify(value);
  if (!plain) box.dataset.json = "yes";
  one("[data-i=description]", form).value = told?.description ?? "";
  one("[data-i=required]", form).checked = Boolean(told?.required);
  return form;
}

export function readInputs(root) {
  const found = {};
  for (const form of all("[data-input]", root)) {
    const name = one("[data-i=name]", form).value.trim();
    const box = one("[data-i=default]", form);
    const told = {};
    if (box.value) told.default = box.dataset.json ? READ.json(box.value) : box.value;
    if (one("[data-i=description]", form).value) told.description = one("[data-i=description]", form).value;
    if (one("[data-i=required]", form).checked) told.required = true;
    if (name) found[name] = told;
  }
  return found;
}

/* Complaints */
export function clearProblems(root) {
  for (const element of all("[data-invalid]", root)) attr(element, "data-invalid", null);
  for (const element of all(".field__error", root)) element.remove();
}

/** Beside the field, in the step; the fold that hides it is opened. False where there is no such field. */
export function place(root, list, problem) {
  const forms = all("[data-flowstep]", list);
  const holder = problem.number === null || problem.number === undefined ? root : forms[problem.number];
  if (!holder) return false;
  const found = holder === root ? all("[data-field]", root).find((each) => !list.contains(each) && each.dataset.field === problem.field) : one(`[data-field="${problem.field}"]`, holder);
  const target = found ?? (holder === root ? null : one("[data-step-errors]", holder));
  if (!target) return false;
  attr(target, "data-invalid", true);
  const words = make("span", {class: "field__error"}, problem.message);
  target.append(words);
  const fold = target.closest("details");
  if (fold) fold.open = true;
  show(words, true);
  return true;
}

export {read as readField, write as writeField};
