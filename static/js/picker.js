/**
 * Documents for a task: found by name, uploaded in place, and counted against what fits into a prompt.
 *
 *   import {startPicker} from "./picker.js";
 *   startPicker(fieldset);   // markup of templates/tasks/_documents.html
 */

import {all, field, one, put, show, stamp} from "./dom.js";
import {number} from "./format.js";
import {send} from "./uploads.js";

export function startPicker(picker) {
  const list = one("[data-picker-list]", picker);
  const words = one("[data-picked]", picker);
  const usual = words.textContent;

  function count() {
    const chosen = all("input:checked", list);
    const tokens = chosen.reduce((sum, box) => sum + Number(box.dataset.tokens), 0);
    const over = tokens > Number(picker.dataset.budget);
    const fit = over ? `more than ${number(Number(picker.dataset.budget))}: the passages nearest to the question are taken` : "all of it goes in";
    put(words, chosen.length ? `${chosen.length} chosen, ≈ ${number(tokens)} tokens, ${fit}` : usual);
  }

  function find(text) {
    const wanted = text.trim().toLowerCase();
    for (const row of list.children) show(row, !wanted || row.textContent.toLowerCase().includes(wanted));
  }

  function add(document) {
    one("[data-picker-none]", list)?.remove();
    let box = one(`input[value="${document.id}"]`, list);
    if (!box) {
      const row = stamp("picker-row");
      box = one("input", row);
      box.value = document.id;
      box.dataset.tokens = document.tokens;
      put(field(row, "name"), document.name);
      put(field(row, "tokens"), `≈ ${number(document.tokens)} tokens`);
      list.prepend(row);
    }
    box.checked = true;
    picker.dispatchEvent(new Event("change", {bubbles: true}));
  }

  one("[data-picker-find]", picker).addEventListener("input", ({target}) => find(target.value));
  one("[data-picker-find]", picker).addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
  one("[data-picker-files]", picker).addEventListener("change", async ({target}) => {
    for (const file of [...target.files]) {
      const sent = await send(file, picker.closest("form"));
      if (sent) add(sent.document);
    }
    target.value = "";
  });
  picker.addEventListener("change", count);
  count();
  return {count};
}
