/** One conversation: answers drawn as they are written, the composer, branches, and everything around when it grows. */

import {cite} from "../citations.js";
import {Composer} from "../composer.js";
import {copy} from "../copying.js";
import {all, attr, make, one, put, show} from "../dom.js";
import {post} from "../forms.js";
import {bind} from "../keys.js";
import {renderMarkdown} from "../markdown.js";
import {setState} from "../marks.js";
import {remembered} from "../memory.js";
import {startPicker} from "../picker.js";
import {refresh} from "../regions.js";
import {live} from "../socket.js";
import {StreamView} from "../stream.js";
import {title} from "../tabtitle.js";

const page = one("[data-page=chat]");
const scroll = one("[data-scroll]");
const jump = one("[data-jump]");
const AROUND = ["turns", "rule", "window", "send", "title", "crumb", "agent"];
const SUMMARY_MS = 25000;
const texts = new WeakMap();
const citations = new WeakMap();
let writing = null;

/** The answer that is being written: its text, its state, its end. */
class Writing {
  constructor(article) {
    this.taskId = article.dataset.task;
    this.body = one("[data-answer]", article);
    this.status = article.dataset.status;
    const output = one("[data-stream]", this.body);
    const drawn = {text: output.textContent, thinking: one("[data-thinking-text]", this.body).textContent};
    this.view = new StreamView(output, {
      thinking: one("[data-thinking-text]", this.body),
      scroller: scroll,
      onFollow: (following) => show(jump, !following),
      onGap: () => this.subscription.refresh(),
    });
    this.view.snapshot(drawn);
    this.saidAt = performance.now();
    this.subscription = live.subscribe(`task:${this.taskId}`, {
      onSnap: (snap) => this.onSnap(snap),
      onDelta: (delta) => this.onDelta(delta),
    });
    announce("The answer has begun.");
  }

  /** Regions are drawn anew while it is written; the body itself stays. */
  get article() {
    return this.body.closest("[data-task]");
  }

  onSnap(snap) {
    if (snap.text) this.view.snapshot(snap.text);
    this.row(snap.row ?? snap.task);
    this.afterText();
    if (["completed", "failed", "cancelled"].includes(this.status)) this.end(this.status);
  }

  onDelta(delta) {
    if (delta.row) this.row(delta.row);
    for (const [id, , phase, , , , message] of delta.progress ?? []) {
      if (String(id) === this.taskId) this.state(phase, message);
    }
    if (delta.text) {
      for (const frame of [delta.text].flat()) this.view.frame(frame);
      this.afterText();
    }
    if (delta.reason !== undefined) this.wait(delta.reason ?? "");
    if (delta.end) {
      this.view.end(delta.end);
      this.end(delta.end.status);
    }
  }

  row(row) {
    this.status = row.status;
    this.state(row.state, row.waiting_reason ?? row.message);
    title({...row, title: document.title.split(" · ").at(-2) ?? row.title});
  }

  state(state, words) {
    const holder = one("[data-state-word]", this.article);
    setState(holder, state);
    show(holder, state !== "completed");
    this.wait(words);
  }

  wait(words) {
    const line = one("[data-wait]", this.article);
    put(line, words ?? "");
    show(line, Boolean(words) && !this.view.text);
  }

  afterText() {
    const thoughts = one("[data-thinking]", this.body);
    show(thoughts, this.view.thinking.length > 0);
    if (this.view.text) show(one("[data-wait]", this.article), false);
    if (performance.now() - this.saidAt < SUMMARY_MS) return;
    this.saidAt = performance.now();
    announce(`${this.view.text.length} characters so far.`);
  }

  end(status) {
    if (writing === this) writing = null;
    texts.set(this.body, this.view.text);
    this.subscription.close();
    announce(`The answer ${status === "completed" ? "is done" : `is ${status}`}.`);
    show(jump, false);
    refresh(...AROUND);
  }
}

function announce(words) {
  put(one("[data-announce]"), words);
}

/** Draws what the server sent as plain text, and follows what is still being written. */
function start() {
  for (const article of all("[data-task]", scroll)) {
    const body = one("[data-answer]", article);
    if (["pending", "running"].includes(article.dataset.status)) {
      if (writing?.taskId !== article.dataset.task) writing = new Writing(article);
    } else if (!texts.has(body)) {
      const output = one("[data-stream]", body);
      texts.set(body, output.textContent);
      renderMarkdown(output, output.textContent);
    }
    linkCitations(article, body);
  }
}

function linkCitations(article, body) {
  if (citations.has(body)) citations.get(body).redo();
  else citations.set(body, cite(one("[data-stream]", body), `turn-${article.closest("[data-turn]").dataset.turn}-`));
}

function toEnd() {
  scroll.scrollTop = scroll.scrollHeight;
}

const isAtEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 48;

/* The composer */
const messageOf = (button) => {
  const turn = button.closest("[data-turn]");
  const number = one(".said", turn).getAttribute("aria-label").split(" ").at(-1);
  return {url: button.dataset.edit, number, text: one("[data-said]", turn).textContent};
};

const composer = new Composer(one("[data-composer]"), {
  async send(url, body) {
    const waiting = composer.isEditing ? null : showAtOnce(body.get("text"));
    const outcome = await post(url, body);
    if (outcome) {
      refresh(...AROUND);
      document.addEventListener("drover:region", toEnd, {once: true});
    } else {
      waiting?.remove();
    }
    return Boolean(outcome);
  },
  last() {
    const button = all("[data-edit]", scroll).at(-1);
    return button && !writing ? messageOf(button) : null;
  },
});

/** What was said stands there before the server has answered. */
function showAtOnce(text) {
  const bubble = make("div", {class: "said__bubble"}, make("div", {class: "said__text"}, text));
  const item = make("li", {class: "talk__turn talk__turn--sending"}, make("article", {class: "said", "aria-label": "Message, being sent"}, bubble));
  one(".talk", scroll).append(item);
  toEnd();
  return item;
}

scroll.addEventListener("click", (event) => {
  const editing = event.target.closest("[data-edit]");
  if (editing) composer.edit(messageOf(editing));
  const copying = event.target.closest("[data-copy]");
  if (copying) copy(texts.get(one("[data-answer]", copying.closest("[data-task]"))) ?? "", "Answer copied");
});

/* Around it */
document.addEventListener("drover:region", ({detail}) => {
  if (detail.name !== "turns") return;
  const wasAtEnd = isAtEnd();
  start();
  if (writing?.view.following || wasAtEnd) toEnd();
});
document.addEventListener("drover:acted", ({target}) => {
  if (target.closest(".memory")) refresh("window");
  else refresh(...AROUND, "document-count");
});

live.subscribe(`conversation:${page.dataset.conversation}`, {
  onSnap: () => {},
  onDelta(delta) {
    if (delta.conversation) refresh(...AROUND, "document-count");
    if (delta.memories) remembered();
  },
});

jump.querySelector("button").addEventListener("click", () => (writing ? writing.view.jump() : toEnd()));
scroll.addEventListener("scroll", () => !writing && show(jump, !isAtEnd()), {passive: true});

/* On a narrow screen the details lie over the conversation. */
function details(open) {
  const side = one("[data-side]");
  const was = side.hasAttribute("data-open");
  side.toggleAttribute("data-open", open);
  attr(one("[data-details]"), "aria-expanded", String(open));
  if (open) one("[data-details-close]").focus();
  else if (was) one("[data-details]").focus();
}

one("[data-details]").addEventListener("click", () => details(true));
one("[data-details-close]").addEventListener("click", () => details(false));
one(".chat__main").addEventListener("pointerdown", () => one("[data-side]").hasAttribute("data-open") && details(false));

bind({
  End: () => (writing ? writing.view.jump() : toEnd()),
  f: () => writing && (writing.view.following ? writing.view.follow(false) : writing.view.jump()),
  Escape: () => details(false),
});

const picker = one("[data-picker]");
if (picker) startPicker(picker);
start();
toEnd();
if (!composer.area.disabled && matchMedia("(pointer: fine)").matches) composer.area.focus();
