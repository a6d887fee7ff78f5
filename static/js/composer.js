/**
 * Where a message is written: Enter sends, Shift+Enter begins a new line, ↑ in an empty one edits the last message,
 * Esc keeps it as it was. What was not sent is kept in this browser.
 *
 *   import {Composer} from "./composer.js";
 *
 *   const composer = new Composer(form, {
 *     async send(url, body) {},   // whether it was taken
 *     last() {},                  // {url, number, text} of the message that ↑ edits, or null
 *   });
 *   composer.edit({url, number, text});
 */

import {one, put, show, soon} from "./dom.js";
import {startShots} from "./shots.js";

export function sendsOnEnter(area, send) {
  area.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.altKey || event.isComposing) return;
    event.preventDefault();
    event.stopPropagation();
    send();
  });
}

export class Composer {
  constructor(form, {send, last}) {
    this.form = form;
    this.area = one("[data-text]", form);
    this.usual = form.getAttribute("action");
    this.shots = startShots(form);
    this.key = `drover.draft.${form.dataset.draft}`;
    this.keep = soon(() => this.store(), 400);
    this.sending = false;
    this.send = send;
    sendsOnEnter(this.area, () => form.requestSubmit(one("[data-send]", form) ?? undefined));
    this.area.addEventListener("keydown", (event) => this.onKey(event, last));
    this.area.addEventListener("input", () => this.keep());
    form.addEventListener("submit", (event) => this.onSubmit(event));
    one("[data-stop-editing]", form).addEventListener("click", () => this.stopEditing());
    this.restore();
  }

  get isEditing() {
    return this.form.getAttribute("action") !== this.usual;
  }

  onKey(event, last) {
    if (event.key === "Escape" && this.isEditing) {
      event.preventDefault();
      this.stopEditing();
    } else if (event.key === "ArrowUp" && !this.area.value && !event.isComposing) {
      const message = last();
      if (!message) return;
      event.preventDefault();
      this.edit(message);
    }
  }

  edit({url, number, text}) {
    if (!this.isEditing) this.draft = this.area.value;
    this.form.setAttribute("action", url);
    put(one("[data-editing-number]", this.form), number);
    show(one("[data-editing]", this.form), true);
    this.area.value = text;
    this.area.focus();
    this.area.setSelectionRange(text.length, text.length);
  }

  stopEditing() {
    this.form.setAttribute("action", this.usual);
    show(one("[data-editing]", this.form), false);
    this.area.value = this.draft ?? "";
    this.area.focus();
  }

  async onSubmit(event) {
    event.preventDefault();
    const isReady = one("[data-send]", this.form) && !this.sending;
    if (!isReady || !this.area.value.trim()) return;
    this.sending = true;
    this.form.setAttribute("aria-busy", "true");
    const taken = await this.send(this.form.getAttribute("action"), new FormData(this.form));
    this.sending = false;
    this.form.removeAttribute("aria-busy");
    if (taken) this.clear();
  }

  clear() {
    const wasEditing = this.isEditing;
    this.shots.clear();
    this.area.value = "";
    if (wasEditing) this.stopEditing();
    this.form.elements.form_key.value = `${Date.now()}${Math.random()}`.slice(0, 40);
    this.store();
    this.area.focus();
  }

  store() {
    if (this.isEditing) return;
    try {
      if (this.area.value.trim()) localStorage.setItem(this.key, this.area.value);
      else localStorage.removeItem(this.key);
    } catch {
      // A browser that keeps nothing: the draft lives as long as the page.
    }
  }

  restore() {
    try {
      this.area.value ||= localStorage.getItem(this.key) ?? "";
    } catch {
      // The same.
    }
  }
}
