/** One answer to read: its Markdown drawn, what was looked for marked, its rating given by a key. */

import {copy} from "./copying.js";
import {localise} from "./clock.js";
import {all, one} from "./dom.js";
import {renderMarkdown} from "./markdown.js";

const NAME = "hits";
const texts = new WeakMap();

/** Dresses what the server drew. ``root`` holds at most one answer. */
export function dress(root) {
  const answer = one("[data-answer]", root);
  if (answer && !texts.has(answer)) {
    texts.set(answer, answer.textContent);
    renderMarkdown(answer, answer.textContent);
  }
  localise(root);
  mark(root);
}

export function copyAnswer(root) {
  const answer = one("[data-answer]", root);
  if (answer) copy(texts.get(answer) ?? answer.textContent, "Answer copied");
}

/** Gives the rating that its button would; pressed again, or with 0, it is taken away. */
export function rate(root, stars) {
  const form = one("[data-rate]", root);
  const button = stars
    ? one(`[data-key="rate-${stars}"]`, form ?? root)
    : form && one('[aria-pressed="true"]', form);
  if (button && !button.disabled) form.requestSubmit(button);
}

/** Marks without touching the text, where the browser can; the hits are pieces of the text itself. */
function mark(root) {
  if (!globalThis.CSS?.highlights) return;
  CSS.highlights.delete(NAME);
  const hits = JSON.parse(one("[data-hits]", root)?.dataset.hits || "[]");
  if (!hits.length) return;
  const wanted = new RegExp(hits.map((hit) => hit.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"), "gu");
  CSS.highlights.set(NAME, new Highlight(...all("[data-marked]", root).flatMap((part) => ranges(part, wanted))));
}

const LETTER = /[\p{L}\p{N}]/u;

function ranges(part, wanted) {
  const found = [];
  const walker = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data;
    for (const {0: hit, index} of text.matchAll(wanted)) {
      if (LETTER.test(text[index - 1] ?? "") || LETTER.test(text[index + hit.length] ?? "")) continue;
      const range = new Range();
      range.setStart(walker.currentNode, index);
      range.setEnd(walker.currentNode, index + hit.length);
      found.push(range);
    }
  }
  return found;
}
