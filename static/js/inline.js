/**
 * One run of Markdown text (emphasis, code, links, line breaks) as DOM nodes.
 *
 *   import {inline} from "./inline.js";
 *   element.append(...inline("some **bold** text"));
 *
 * Only text nodes and elements made here come out: HTML in the text stays text, links lead to http(s) or nowhere.
 */

const SPECIAL = /[\\`*_~[!<\nh]/g;
const ESCAPED = /[!-/:-@[-`{-~]/;
const LINK = /!?\[((?:[^[\]\\]|\\.)*)\]\(\s*<?([^\s()<>]*(?:\([^\s()<>]*\)[^\s()<>]*)*)>?(?:\s+"[^"]*")?\s*\)/y;
const ANGLE = /<(https?:\/\/[^\s<>]+)>/y;
const BARE = /https?:\/\/[^\s<>"'`]+/y;
const BREAK = /<br\s*\/?>/iy;
const WORD = /[\p{L}\p{N}]/u;
const OPEN_AT_ONCE = 100;

export function element(name, className, ...children) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

export function inline(text, {links = true} = {}) {
  return new Inline(text, links).run();
}

/** A link when it leads to the web, otherwise what it says and where it would have led, as text. */
function link(label, address) {
  if (!/^https?:\/\//i.test(address) || !URL.canParse(address)) return [...label, ` (${address})`];
  const node = element("a", "md-link", ...label);
  node.href = address;
  node.rel = "noopener noreferrer nofollow";
  node.target = "_blank";
  return [node];
}

/** Walks the text once; runs of * _ ~ become delimiters that are paired at the end. */
class Inline {
  constructor(text, links) {
    this.text = text;
    this.links = links;
    this.at = 0;
    this.nodes = [];
    this.unclosed = new Set();
  }

  run() {
    while (this.at < this.text.length) this.step();
    return pair(this.nodes);
  }

  step() {
    SPECIAL.lastIndex = this.at;
    const found = SPECIAL.exec(this.text);
    const next = found ? found.index : this.text.length;
    this.plain(next);
    if (found) this[HANDLERS[found[0]]]();
  }

  plain(end) {
    if (end > this.at) this.nodes.push(this.text.slice(this.at, end));
    this.at = end;
  }

  match(pattern) {
    pattern.lastIndex = this.at;
    return pattern.exec(this.text);
  }

  emit(nodes, length) {
    this.nodes.push(...nodes);
    this.at += length;
  }

  escape() {
    const next = this.text[this.at + 1];
    if (next === "\n") this.emit([element("br")], 2);
    else if (next !== undefined && ESCAPED.test(next)) this.emit([next], 2);
    else this.plain(this.at + 1);
  }

  code() {
    const length = this.runLength("`");
    const end = this.unclosed.has(length) ? -1 : this.closing(length);
    if (end < 0) {
      this.unclosed.add(length);
      this.plain(this.at + length);
      return;
    }
    const body = this.text.slice(this.at + length, end).replaceAll("\n", " ");
    const padded = body.startsWith(" ") && body.endsWith(" ") && body.trim() !== "";
    this.emit([element("code", "md-inline-code", padded ? body.slice(1, -1) : body)], end + length - this.at);
  }

  closing(length) {
    for (let at = this.at + length; (at = this.text.indexOf("`", at)) >= 0; ) {
      const run = runLength(this.text, at, "`");
      if (run === length) return at;
      at += run;
    }
    return -1;
  }

  runLength(mark) {
    return runLength(this.text, this.at, mark);
  }

  delimiter() {
    const mark = this.text[this.at];
    const count = this.runLength(mark);
    if (mark === "~" && count !== 2) {
      this.plain(this.at + count);
      return;
    }
    const before = this.text[this.at - 1] ?? " ";
    const after = this.text[this.at + count] ?? " ";
    const opens = !/\s/.test(after) && !(mark === "_" && WORD.test(before));
    const closes = !/\s/.test(before) && !(mark === "_" && WORD.test(after));
    this.emit([{mark, count, opens, closes}], count);
  }

  link() {
    const found = this.links ? this.match(LINK) : null;
    if (found) this.emit(link(inline(found[1] || found[2], {links: false}), found[2]), found[0].length);
    else this.plain(this.at + 1);
  }

  angle() {
    const address = this.links ? this.match(ANGLE) : null;
    const br = this.match(BREAK);
    if (address) this.emit(link([address[1]], address[1]), address[0].length);
    else if (br) this.emit([element("br")], br[0].length);
    else this.plain(this.at + 1);
  }

  bare() {
    const inWord = WORD.test(this.text[this.at - 1] ?? " ");
    const found = this.links && !inWord ? this.match(BARE) : null;
    if (!found) {
      this.plain(this.at + 1);
      return;
    }
    const address = trimmed(found[0]);
    this.emit(link([address], address), address.length);
  }

  newline() {
    this.emit([element("br")], 1);
  }
}

const HANDLERS = {
  "\\": "escape",
  "`": "code",
  "*": "delimiter",
  _: "delimiter",
  "~": "delimiter",
  "[": "link",
  "!": "link",
  "<": "angle",
  h: "bare",
  "\n": "newline",
};

function runLength(text, at, mark) {
  let end = at;
  while (text[end] === mark) end += 1;
  return end - at;
}

/** Punctuation after an address belongs to the sentence, a closing bracket only when it was opened inside. */
function trimmed(address) {
  let end = address.length;
  while (end > 0 && /[.,:;!?)\]}*_~]/.test(address[end - 1])) {
    if (address[end - 1] === ")" && address.slice(0, end).includes("(")) break;
    end -= 1;
  }
  return address.slice(0, end);
}

/** Pairs closing delimiters with the nearest opening ones; what stays alone is text again. */
function pair(nodes) {
  const done = [];
  const openers = [];
  for (const node of nodes) {
    if (typeof node === "string" || node instanceof Node) done.push(node);
    else close(node, done, openers);
  }
  return done.map(settled);
}

function settled(node) {
  return typeof node === "string" || node instanceof Node ? node : node.mark.repeat(node.count);
}

function close(delimiter, done, openers) {
  while (delimiter.closes && delimiter.count > 0) {
    const index = openers.findLastIndex(({mark, count}) => mark === delimiter.mark && count > 0);
    if (index < 0) break;
    wrap(openers[index], delimiter, done);
    openers.length = openers[index].count > 0 ? index + 1 : index;
  }
  if (delimiter.count === 0) return;
  done.push(delimiter);
  if (delimiter.opens && openers.length < OPEN_AT_ONCE) openers.push(delimiter);
}

function wrap(opener, closer, done) {
  const strong = opener.count >= 2 && closer.count >= 2;
  const name = opener.mark === "~" ? "del" : strong ? "strong" : "em";
  const used = strong ? 2 : 1;
  const from = done.lastIndexOf(opener);
  const inside = done.splice(from + 1).map(settled);
  opener.count -= used;
  closer.count -= used;
  if (opener.count === 0) done.pop();
  done.push(element(name, "", ...inside));
}
