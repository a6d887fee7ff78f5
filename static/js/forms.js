/**
 * Forms that work without this file, made quick: actions answer in place, dangerous ones ask, nothing is sent twice.
 *
 *   data-action          sent by fetch; then "drover:acted" bubbles from the form with {message, url}
 *   data-busy="…"        what its button says meanwhile
 *   data-confirm="…"     asks first; on the form or on the button
 *   data-run             ⌘↵ sends it
 */

import {one} from "./dom.js";
import {toast} from "./toasts.js";

const BUILT_IN = ["generate", "chat", "embed"];
const confirmed = new WeakSet();

/** Of a task's type, for the parts of a form that have data-for; "custom" are those that extensions bring. */
export const kindOf = (type) => (BUILT_IN.includes(type) ? type : "custom");

export function startForms() {
  document.addEventListener("submit", onSubmit);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.metaKey || event.ctrlKey)) return;
    const form = event.target.closest?.("form[data-run]") ?? one("form[data-run]");
    if (form) form.requestSubmit(one("button.btn--primary[type=submit]:not(:disabled)", form) ?? undefined);
  });
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
}

async function onSubmit(event) {
  const {target: form, submitter} = event;
  if (form.method === "dialog" || event.defaultPrevented) return;
  const question = submitter?.dataset.confirm ?? form.dataset.confirm;
  if (question && !confirmed.has(form)) {
    event.preventDefault();
    if (!(await ask(question, submitter?.textContent.trim() || "Yes"))) return;
    confirmed.add(form);
    form.requestSubmit(submitter);
    confirmed.delete(form);
    return;
  }
  if ("action" in form.dataset) {
    event.preventDefault();
    send(form, submitter);
  } else if ("run" in form.dataset) {
    holdBack(form, event);
  }
}

function holdBack(form, event) {
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  const button = event.submitter;
  if (button) setTimeout(() => button.setAttribute("aria-busy", "true"));
}

export async function ask(question, yes) {
  const dialog = document.getElementById("confirm");
  one("[data-confirm-text]", dialog).textContent = question;
  one("[data-confirm-yes]", dialog).textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, {once: true}));
  return dialog.returnValue === "yes";
}

/** Answers at once in words, and takes them back when the server disagrees. */
async function send(form, button) {
  const before = button && [...button.childNodes];
  const fields = new FormData(form, button); // before the button is disabled: its own value belongs to them
  const held = button === document.activeElement;
  if (button) {
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    if (form.dataset.busy) button.replaceChildren(form.dataset.busy);
  }
  const outcome = await post(form.getAttribute("action"), fields);
  if (button) {
    button.disabled = false;
    button.removeAttribute("aria-busy");
    button.replaceChildren(...before);
    if (held && document.activeElement === document.body) button.focus(); // which it lost when it was disabled
  }
  if (!outcome) return;
  if (outcome.message) toast(outcome.message);
  form.dispatchEvent(new CustomEvent("drover:acted", {bubbles: true, detail: outcome}));
}

/** The answer of an action, or null after its refusal has been shown. */
export async function post(url, body) {
  try {
    const answer = await fetch(url, {method: "POST", body, headers: {Accept: "application/json"}});
    if (answer.redirected) location.reload();
    const data = await answer.json();
    if (answer.ok) return data;
    toast(data.error.message, "failed");
  } catch {
    toast("Drover did not answer. Nothing was changed, as far as this page knows.", "failed");
  }
  return null;
}
