/**
 * Citations such as [2] or [1, 3] in text that a model wrote become links to the passages they name.
 *
 *   import {cite} from "./citations.js";
 *
 *   const cited = cite(element);              // element: where Markdown is drawn, now or live
 *   const cited = cite(element, "turn-7-");   // the passages have the ids turn-7-1, turn-7-2, …; usually passage-1, …
 *   cited.redo();                             // after the passages themselves have been drawn anew
 *   cited.stop();
 *
 * Numbers without a passage stay text, and so does everything in code, in links, and where text is shown raw. Only text
 * nodes and links made here are put in. A passage is a <details>, opened by its citation; data-origin names it, and
 * data-cited is set on those that were cited.
 */

import {element as make} from "./inline.js";

const CITATION = /\[(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)\]/g;
const APART = "a, code, pre, button, .cites";

export function cite(element, prefix = "passage-") {
  const observer = new MutationObserver((records) => draw(records.flatMap(({addedNodes}) => [...addedNodes])));

  function draw(nodes) {
    const drawn = nodes.filter((node) => node.nodeType === Node.ELEMENT_NODE && element.contains(node));
    if (!element.classList.contains("stream-raw")) for (const node of drawn.flatMap(textsOf)) link(node, prefix);
    observer.takeRecords();
  }

  observer.observe(element, {childList: true, subtree: true});
  const redo = () => draw([...element.children]);
  redo();
  return {redo, stop: () => observer.disconnect()};
}

/** Text nodes with a bracket in them. Neighbours are joined first: what draws Markdown leaves them apart. */
function textsOf(element) {
  element.normalize();
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT, {
    acceptNode: (node) => (node.data.includes("[") && !node.parentElement.closest(APART) ? NodeFilter.FILTER_ACCEPT : NodeFilter.FILTER_SKIP),
  });
  const found = [];
  while (walker.nextNode()) found.push(walker.currentNode);
  return found;
}

function link(node, prefix) {
  const parts = [];
  let at = 0;
  for (const found of node.data.matchAll(CITATION)) {
    const linked = numbersIn(found[1], prefix);
    if (!linked) continue;
    parts.push(node.data.slice(at, found.index), linked);
    at = found.index + found[0].length;
  }
  if (at > 0) node.replaceWith(...parts, node.data.slice(at));
}

/** "1, 3" as links in brackets on one line; null when a passage is missing. A range such as 2–4 names its two ends. */
function numbersIn(text, prefix) {
  const pieces = text.split(/(\s*[,;–-]\s*)/);
  if (pieces.some((piece, index) => index % 2 === 0 && !document.getElementById(prefix + Number(piece)))) return null;
  return make("span", "cites", "[", ...pieces.map((piece, index) => (index % 2 ? piece : reference(Number(piece), prefix))), "]");
}

function reference(number, prefix) {
  const passage = document.getElementById(prefix + number);
  passage.dataset.cited = "";
  const anchor = make("a", "cite", String(number));
  anchor.href = `#${prefix}${number}`;
  anchor.title = passage.dataset.origin ?? "";
  anchor.setAttribute("aria-label", `Passage ${number}${passage.dataset.origin ? `: ${passage.dataset.origin}` : ""}`);
  return anchor;
}

function open(id) {
  const passage = id && document.getElementById(id);
  if (passage?.tagName !== "DETAILS") return;
  for (let fold = passage; fold; fold = fold.parentElement.closest("details")) fold.open = true;
  passage.scrollIntoView({block: "nearest"});
  passage.querySelector("summary")?.focus({preventScroll: true});
}

document.addEventListener("click", (event) => {
  const anchor = event.target.closest?.("a.cite");
  if (anchor) setTimeout(open, 0, anchor.hash.slice(1));
});
if (location.hash) open(location.hash.slice(1));
