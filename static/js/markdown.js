/**
 * Markdown that arrives in pieces, drawn as DOM nodes: finished blocks once, only the last one again and again.
 *
 *   import {MarkdownStream, renderMarkdown, copyText} from "./markdown.js";
 *
 *   const stream = new MarkdownStream(element);   // empties the element
 *   stream.append("# Title\n\nSome *te");
 *   stream.append("xt*");
 *   stream.close();                               // leaves the element to somebody else
 *   renderMarkdown(element, text);                // all at once
 *   await copyText(text);                         // to the clipboard, also on plain http; whether it worked
 *
 * Nothing of the text is ever parsed as HTML. Made here: h1–h6, p, ul, ol, li, blockquote, hr, table, pre, code, a, em,
 * strong, del, br, button. Classes: "md" on the element, md-code (figure), md-code-bar, md-code-lang, md-copy,
 * md-inline-code, md-link, md-table (wrapper), md-center, md-right, md-task.
 */

import {element, inline} from "./inline.js";

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:\s+(.*?))?(?:\s+#+)?\s*$/;
const RULE = /^ {0,3}(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})$/;
const QUOTE = /^ {0,3}>\s?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(\s+|$)/;
const TABLE_RULE = /^ {0,3}\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;
const BLANK = /^\s*$/;
const DEPTH = 12;

export function renderMarkdown(target, text) {
  new MarkdownStream(target).append(text);
}

export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** Browsers offer no clipboard object on plain http, where a team's Drover usually lives. */
function copyBySelection(text) {
  const area = element("textarea", "visually-hidden");
  area.value = text;
  document.body.append(area);
  area.select();
  const worked = document.execCommand("copy");
  area.remove();
  return worked;
}

export class MarkdownStream {
  constructor(target) {
    this.target = target;
    this.rest = "";
    this.tail = [];
    this.list = null;
    target.classList.add("md");
    target.replaceChildren();
  }

  append(text) {
    this.rest += text;
    for (const node of this.tail.splice(0)) node.remove();
    this.freeze();
    const list = this.list;
    for (const block of blocksOf(this.rest.split("\n"))) this.tail.push(this.place(block));
    this.list = list;
  }

  /** Only whole lines decide where a block ends, so what is frozen never has to change. */
  freeze() {
    const whole = this.rest.lastIndexOf("\n") + 1;
    const lines = this.rest.slice(0, whole).split("\n");
    lines.pop();
    const blocks = blocksOf(lines);
    const last = blocks.pop();
    if (!last || blocks.length === 0) return;
    for (const block of blocks) this.place(block);
    this.rest = lines.slice(last.from).join("\n") + "\n" + this.rest.slice(whole);
    if (last.kind === "item" && !last.first) return;
    this.list = null;
  }

  /** Adds a block at the end; an item joins the list before it. Returns the node to take away again. */
  place(block) {
    if (block.kind !== "item") {
      this.list = null;
      const node = draw(block, 0);
      this.target.append(node);
      return node;
    }
    const node = drawItem(block, 0);
    if (this.list && this.list.dataset.mark === block.mark) {
      this.list.append(node);
      return node;
    }
    this.list = listFor(block);
    this.list.append(node);
    this.target.append(this.list);
    return this.list;
  }

  close() {
    this.target.classList.remove("md");
  }
}

function startsTable(lines, at) {
  return lines[at].includes("|") && at + 1 < lines.length && lines[at + 1].includes("-") && TABLE_RULE.test(lines[at + 1]);
}

/** Whether this line ends a paragraph. A number other than 1 does not begin a list in the middle of a sentence. */
function interrupts(lines, at) {
  const line = lines[at];
  const item = ITEM.exec(line);
  const list = item && item[3] !== "" && (!/\d/.test(item[2]) || /^1[.)]$/.test(item[2]));
  return BLANK.test(line) || FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) || list || startsTable(lines, at);
}

/** The blocks of these lines: {kind, from, to, ...}; each item of a list is a block of its own. */
function blocksOf(lines) {
  const blocks = [];
  let mark = null;
  for (let at = 0; at < lines.length; ) {
    if (BLANK.test(lines[at])) {
      at += 1;
      continue;
    }
    const block = blockAt(lines, at);
    if (block.kind === "item") {
      block.first = block.mark !== mark;
      mark = block.mark;
    } else {
      mark = null;
    }
    blocks.push({...block, from: at});
    at = block.to;
  }
  return blocks;
}

function blockAt(lines, at) {
  const line = lines[at];
  const fence = FENCE.exec(line);
  if (fence) return fenceAt(lines, at, fence);
  const heading = HEADING.exec(line);
  if (heading) return {kind: "heading", level: heading[1].length, text: heading[2] ?? "", to: at + 1};
  if (RULE.test(line)) return {kind: "rule", to: at + 1};
  if (QUOTE.test(line)) return quoteAt(lines, at);
  if (ITEM.test(line)) return itemAt(lines, at);
  if (startsTable(lines, at)) return tableAt(lines, at);
  let to = at + 1;
  while (to < lines.length && !interrupts(lines, to)) to += 1;
  return {kind: "paragraph", text: paragraphText(lines.slice(at, to)), to};
}

function paragraphText(lines) {
  return lines.map((line) => line.trim()).join("\n");
}

function fenceAt(lines, at, [, fence, label]) {
  const closing = new RegExp(`^ {0,3}${fence[0]}{${fence.length},}\\s*$`);
  let to = at + 1;
  while (to < lines.length && !closing.test(lines[to])) to += 1;
  return {kind: "code", language: label.trim().split(/\s/)[0], text: lines.slice(at + 1, to).join("\n"), to: Math.min(to + 1, lines.length)};
}

function quoteAt(lines, at) {
  let to = at + 1;
  while (to < lines.length && (QUOTE.test(lines[to]) || !interrupts(lines, to))) to += 1;
  return {kind: "quote", lines: lines.slice(at, to).map((line) => line.replace(QUOTE, "")), to};
}

/** An item goes on over indented lines, blank lines before those, and lines that just continue its sentence. */
function itemAt(lines, at) {
  const [marker, lead, symbol, space] = ITEM.exec(lines[at]);
  const indent = lead.length + symbol.length + Math.min(Math.max(space.length, 1), 4);
  const inner = [lines[at].slice(marker.length)];
  let to = at + 1;
  for (; to < lines.length; to += 1) {
    const line = lines[to];
    if (BLANK.test(line)) {
      const next = nextText(lines, to);
      if (next === lines.length || indentOf(lines[next]) < Math.min(indent, 2)) break;
      inner.push(...lines.slice(to, next).fill(""));
      to = next - 1;
      continue;
    }
    if (indentOf(line) < Math.min(indent, 2) && (BLANK.test(lines[to - 1]) || interrupts(lines, to) || ITEM.test(line))) break;
    inner.push(line.slice(Math.min(indentOf(line), indent)));
  }
  const ordered = /\d/.test(symbol);
  return {kind: "item", ordered, start: ordered ? parseInt(symbol, 10) : null, mark: symbol.at(-1), lines: inner, to};
}

function nextText(lines, at) {
  let next = at;
  while (next < lines.length && BLANK.test(lines[next])) next += 1;
  return next;
}

function indentOf(line) {
  return line.length - line.trimStart().length;
}

function tableAt(lines, at) {
  let to = at + 2;
  while (to < lines.length && !BLANK.test(lines[to]) && lines[to].includes("|")) to += 1;
  const [head, rule, ...rows] = lines.slice(at, to).map(cells);
  return {kind: "table", head, align: rule.map(alignment), rows, to};
}

function cells(line) {
  const inner = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function alignment(cell) {
  if (!cell.endsWith(":")) return "";
  return cell.startsWith(":") ? "md-center" : "md-right";
}

function draw(block, depth) {
  switch (block.kind) {
    case "heading":
      return element(`h${block.level}`, "", ...inline(block.text));
    case "rule":
      return element("hr");
    case "code":
      return drawCode(block);
    case "quote":
      return element("blockquote", "", ...drawAll(block.lines, depth + 1));
    case "table":
      return drawTable(block);
    default:
      return element("p", "", ...inline(block.text));
  }
}

/** Blocks inside a quote or an item. Beyond a sane depth the text is shown as it is. */
function drawAll(lines, depth) {
  if (depth > DEPTH) return [lines.join("\n")];
  const nodes = [];
  let list = null;
  for (const block of blocksOf(lines)) {
    if (block.kind !== "item") {
      nodes.push(draw(block, depth));
      continue;
    }
    if (block.first || !list) nodes.push((list = listFor(block)));
    list.append(drawItem(block, depth));
  }
  return nodes;
}

function listFor({ordered, start, mark}) {
  const list = element(ordered ? "ol" : "ul");
  if (ordered && start !== 1) list.start = start;
  list.dataset.mark = mark;
  return list;
}

function drawItem({lines}, depth) {
  const task = /^\[([ xX])\]\s+/.exec(lines[0]);
  const body = task ? [lines[0].slice(task[0].length), ...lines.slice(1)] : lines;
  const nodes = drawAll(body, depth + 1);
  const tight = !lines.some((line) => BLANK.test(line));
  const children = tight ? nodes.flatMap((node) => (node.nodeName === "P" ? [...node.childNodes] : [node])) : nodes;
  if (!task) return element("li", "", ...children);
  return element("li", "md-task", task[1] === " " ? "☐ " : "☑ ", ...children);
}

function drawCode({language, text}) {
  const code = element("code", "", text);
  const copy = element("button", "md-copy", "Copy");
  copy.type = "button";
  copy.addEventListener("click", async () => {
    copy.textContent = (await copyText(code.textContent)) ? "Copied" : "Not copied";
    setTimeout(() => (copy.textContent = "Copy"), 2000);
  });
  const bar = element("figcaption", "md-code-bar", element("span", "md-code-lang", language || "text"), copy);
  return element("figure", "md-code", bar, element("pre", "", code));
}

function drawTable({head, align, rows}) {
  const row = (name, texts) =>
    element("tr", "", ...head.map((_, column) => element(name, align[column] ?? "", ...inline(texts[column] ?? ""))));
  const body = element("tbody", "", ...rows.map((texts) => row("td", texts)));
  return element("div", "md-table", element("table", "", element("thead", "", row("th", head)), body));
}
