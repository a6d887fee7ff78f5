/**
 * The text of a running task, put on the page without losing or doubling a character.
 *
 *   import {StreamView, TextBuffer} from "./stream.js";
 *
 *   const view = new StreamView(element, {
 *     thinking: element,                   // where the thinking goes; optional
 *     scroller: element,                   // what scrolls; the element itself unless told
 *     mode: "rendered" | "raw",            // Markdown or plain text; view.setMode(mode) changes it
 *     onFollow(following) {},              // false: the reader scrolled up, show "Jump to latest"
 *     onGap() {},                          // text is missing: call sub.refresh()
 *   });
 *   view.snapshot(snap.text);              // {attempt, text, thinking, tool_calls, phase, ended}
 *   view.frame(delta.text);                // {attempt, o, t, ho, h, c, p, n}; true when it was applied
 *   view.end(delta.end);                   // {status, length: {text, thinking}}; true when nothing is missing
 *   view.jump();  view.following;          // to the latest, and stay there
 *   view.text;  view.thinking;  view.attempt;  view.destroy();
 *
 *   const buffer = new TextBuffer();
 *   buffer.reset("whole text");
 *   buffer.apply(offset, text);            // the new part (perhaps ""), or null when text before it is missing
 *   buffer.text;  buffer.length;           // length in code points, as the offsets are
 *
 * The element gets role=log, aria-live=off and, while text may come, aria-busy. Classes: "stream", "stream-raw".
 */

import {MarkdownStream} from "./markdown.js";

const NEAR_BOTTOM_PX = 24;

/** Unicode code points in a JavaScript string, whose own length counts UTF-16 units. */
export function codePoints(text) {
  let count = text.length;
  for (let i = 1; i < text.length; i += 1) {
    if (isHigh(text.charCodeAt(i - 1)) && isLow(text.charCodeAt(i))) {
      count -= 1;
      i += 1;
    }
  }
  return count;
}

function isHigh(unit) {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLow(unit) {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** The UTF-16 index at which the given number of code points has passed. */
function indexAfter(text, points) {
  let index = 0;
  for (let left = points; left > 0 && index < text.length; left -= 1) {
    index += isHigh(text.charCodeAt(index)) && isLow(text.charCodeAt(index + 1)) ? 2 : 1;
  }
  return index;
}

export class TextBuffer {
  constructor(text = "") {
    this.reset(text);
  }

  reset(text) {
    this.text = text;
    this.length = codePoints(text);
  }

  apply(offset, text) {
    if (offset > this.length) return null;
    const fresh = text.slice(indexAfter(text, this.length - offset));
    this.text += fresh;
    this.length += codePoints(fresh);
    return fresh;
  }
}

/** Plain text in one text node that only grows. */
class RawText {
  constructor(element) {
    this.node = document.createTextNode("");
    element.replaceChildren(this.node);
    element.classList.add("stream-raw");
    this.element = element;
  }

  append(text) {
    this.node.appendData(text);
  }

  close() {
    this.element.classList.remove("stream-raw");
  }
}

/** One element, the text that belongs in it, and what of it is not yet drawn. */
class Pane {
  constructor(element, mode) {
    this.element = element;
    this.buffer = new TextBuffer();
    this.setMode(mode);
  }

  setMode(mode) {
    this.drawing?.close();
    this.drawing = mode === "raw" ? new RawText(this.element) : new MarkdownStream(this.element);
    this.pending = this.buffer.text;
  }

  reset(text, mode) {
    if (text.startsWith(this.buffer.text) && this.buffer.length > 0) {
      this.apply(0, text);
      return;
    }
    this.buffer.reset(text);
    this.setMode(mode);
  }

  /** False when something before this text is missing. */
  apply(offset, text) {
    const fresh = this.buffer.apply(offset, text);
    if (fresh === null) return false;
    this.pending += fresh;
    return true;
  }

  draw() {
    if (this.pending === "") return;
    this.drawing.append(this.pending);
    this.pending = "";
  }
}

export class StreamView {
  constructor(element, {thinking = null, scroller = element, mode = "rendered", onFollow, onGap} = {}) {
    this.element = element;
    this.scroller = scroller;
    this.mode = mode;
    this.onFollow = onFollow;
    this.onGap = onGap;
    this.attempt = null;
    this.following = true;
    this.output = new Pane(element, mode);
    this.thoughts = thinking ? new Pane(thinking, "raw") : null;
    this.request = null;
    element.classList.add("stream");
    element.setAttribute("role", "log");
    element.setAttribute("aria-live", "off");
    this.onScroll = () => this.notice();
    this.source = scroller === document.scrollingElement ? window : scroller;
    this.source.addEventListener("scroll", this.onScroll, {passive: true});
  }

  get text() {
    return this.output.buffer.text;
  }

  get thinking() {
    return this.thoughts?.buffer.text ?? "";
  }

  snapshot({attempt = null, text = "", thinking = "", ended = null}) {
    this.attempt = attempt;
    this.output.reset(text, this.mode);
    this.thoughts?.reset(thinking, "raw");
    this.busy(!ended);
    this.plan();
  }

  frame({attempt = this.attempt, o = 0, t = "", ho = 0, h = ""}) {
    if (attempt !== this.attempt) this.snapshot({attempt});
    const whole = this.output.apply(o, t) && (this.thoughts?.apply(ho, h) ?? true);
    if (!whole) this.onGap?.();
    this.busy(true);
    this.plan();
    return whole;
  }

  end({length = null} = {}) {
    this.busy(false);
    const whole =
      length === null ||
      (length.text === this.output.buffer.length && length.thinking === (this.thoughts?.buffer.length ?? length.thinking));
    if (!whole) this.onGap?.();
    return whole;
  }

  setMode(mode) {
    this.mode = mode;
    this.output.setMode(mode);
    this.plan();
  }

  busy(busy) {
    this.element.setAttribute("aria-busy", String(busy));
  }

  /** Draws once a frame of the screen, however often text arrives. */
  plan() {
    this.request ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.request = null;
    this.output.draw();
    this.thoughts?.draw();
    if (this.following && (this.text || this.thinking)) this.stick();
  }

  stick() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.lastTop = this.scroller.scrollTop;
  }

  /** Only the reader scrolls up; text that grows, or the window that shrinks, does not. */
  notice() {
    const {scrollTop, scrollHeight, clientHeight} = this.scroller;
    const near = scrollHeight - scrollTop - clientHeight <= NEAR_BOTTOM_PX;
    const wentUp = scrollTop < (this.lastTop ?? 0);
    this.lastTop = scrollTop;
    if (near) this.follow(true);
    else if (wentUp) this.follow(false);
  }

  follow(following) {
    if (following === this.following) return;
    this.following = following;
    this.onFollow?.(following);
  }

  jump() {
    this.follow(true);
    this.stick();
  }

  destroy() {
    if (this.request !== null) cancelAnimationFrame(this.request);
    this.source.removeEventListener("scroll", this.onScroll);
  }
}
