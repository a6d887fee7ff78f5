/**
 * The live view: one websocket per tab, shared by everything on the page.
 *
 *   import {live} from "./socket.js";
 *
 *   const sub = live.subscribe("tasks", {
 *     filter: "status=failed&agent=x",     // the query string of the page; optional
 *     onSnap(data, {topic, seq}) {},       // the whole truth; also after every reconnect, pause and gap
 *     onDelta(delta, {topic, seq}) {},     // a change since then
 *     onError({code, message}) {},         // refused: unknown topic, not found, bad filter; optional
 *   });
 *   sub.refresh();                         // asks for a fresh snapshot
 *   sub.setFilter("status=running");       // the same, with another filter
 *   sub.close();
 *
 *   const off = live.onState(({state, age, mode, retryIn}) => {});
 *       state: "live" | "paused" | "reconnecting" | "stale" | "polling"
 *       age: seconds since the last frame; retryIn: seconds to the next try. Called at once and then twice a second.
 *   live.setMode("live" | "2s" | "10s" | "off");   live.mode;   live.toggle();    // remembered; Space toggles
 *   const off = live.on("hello" | "build" | "logout", (detail) => {});
 *       hello: {user: {name, role}, server_time, build}; build: {from, to}, another version runs now;
 *       logout: the session is over, the socket stays closed.
 *
 * Snapshots and deltas (rows are TaskRow; see the README for the shapes):
 *   load      snap LoadSample                                delta {data: LoadSample}
 *   overview  snap {counts, running, attention, pauses, activity}    delta any of these keys (whole), {progress}
 *   tasks     snap {rows, counts, more}                      delta {rows, gone: [id], progress, counts, added, reasons}
 *   task:ID   snap {task, text}                              delta {row, text, task, progress, reason,
 *                                                                   end: {status, attempt, length}}
 *   run:ID    snap {run, rows, more}                         delta {rows, gone, progress, run, added, reasons}
 *   conversation:ID  snap {conversation, memories}       delta either of them (whole); texts: task:ID of its turns
 *             with the filter view=batch, a batch and the page that status, error and cursor name:
 *             snap {batch, lines: [BatchRow]}                delta {batch, lines, progress}
 *   batches   snap {batches} (the newest)                    delta {batches} (all of them)
 *   nodes     snap {nodes, pauses}                           delta {nodes} (all of them), {pauses}
 *   models    snap {models}                                  delta {models} (all of them)
 *   notices   snap {notices: []}                             delta {notices: [{level, text}]}
 * progress: [[task_id, attempt_id, phase, output_tokens, tokens_per_second, progress, message, phase_since], …];
 * reasons: {task_id: why it waits}; gone: ids that no longer match; added: {run_id, count, agent}, many at once;
 * attention: [{kind, name, text, count}]. task: a TaskPayload whose output and thinking are in text (vectors stay),
 * in deltas without input and metadata. A row that is not shown and older than the last one shown belongs to another
 * page. Apply progress, then rows; text, then end.
 */

const ACK_EVERY = 20;
const ACK_AFTER_MS = 5000;
const STALE_AFTER_MS = 5000;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15000;
const POLL_MS = 3000;
const TRIES_BEFORE_POLLING = 3;
const LOGGED_OUT = 4401;
const MODES = {live: 0, "2s": 2000, "10s": 10000, off: Infinity};
const MODE_KEY = "drover.live";

/** What one topic's listeners on this page share. */
class Channel {
  constructor(topic, filter) {
    this.topic = topic;
    this.filter = filter;
    this.seq = null;
    this.listeners = new Set();
  }

  get request() {
    return {type: "sub", topic: this.topic, since: this.seq, filter: this.filter};
  }

  /** False when frames are missing before this one. */
  receive(frame) {
    if (frame.type === "snap") {
      this.seq = frame.seq;
      this.tell("onSnap", frame.data, frame);
      return true;
    }
    if (this.seq === null || frame.prev !== this.seq) return false;
    this.seq = frame.seq;
    this.tell("onDelta", frame, frame);
    return true;
  }

  tell(method, value, {topic, seq}) {
    for (const listener of [...this.listeners]) listener[method]?.(value, {topic, seq});
  }
}

class Live {
  constructor() {
    this.channels = new Map();
    this.watchers = new Set();
    this.handlers = {hello: new Set(), build: new Set(), logout: new Set()};
    this.mode = readMode();
    this.socket = null;
    this.ready = false;
    this.received = 0;
    this.acked = 0;
    this.failures = 0;
    this.lastFrameAt = performance.now();
    this.retryAt = null;
    this.held = [];
    this.build = null;
    this.loggedOut = false;
    this.paused = false;
    this.polling = false;
    this.pollAnswered = false;
  }

  subscribe(topic, {filter = "", onSnap, onDelta, onError} = {}) {
    const listener = {onSnap, onDelta, onError};
    let channel = this.join(topic, filter, listener);
    return {
      refresh: () => this.ask(channel, true),
      setFilter: (next) => {
        this.leave(channel, listener);
        channel = this.join(topic, next, listener);
      },
      close: () => this.leave(channel, listener),
    };
  }

  /** Two filters of one topic on one page are told apart by a suffix that the server ignores. */
  join(topic, filter, listener) {
    let name = topic;
    for (let n = 2; this.channels.has(name) && this.channels.get(name).filter !== filter; n += 1) name = `${topic}#${n}`;
    const channel = this.channels.get(name) ?? new Channel(name, filter);
    this.channels.set(name, channel);
    channel.listeners.add(listener);
    this.start();
    this.ask(channel, true);
    return channel;
  }

  leave(channel, listener) {
    channel.listeners.delete(listener);
    if (channel.listeners.size > 0 || this.channels.get(channel.topic) !== channel) return;
    this.channels.delete(channel.topic);
    this.send({type: "unsub", topic: channel.topic});
  }

  ask(channel, afresh = false) {
    if (afresh) channel.seq = null;
    this.send(channel.request);
  }

  send(message) {
    if (this.ready) this.socket.send(JSON.stringify(message));
  }

  on(event, handler) {
    this.handlers[event].add(handler);
    return () => this.handlers[event].delete(handler);
  }

  emit(event, detail) {
    for (const handler of [...this.handlers[event]]) handler(detail);
  }

  onState(watcher) {
    this.watchers.add(watcher);
    watcher(this.describe());
    this.start();
    return () => this.watchers.delete(watcher);
  }

  describe() {
    const now = performance.now();
    return {
      state: this.state(now),
      mode: this.mode,
      age: (now - this.lastFrameAt) / 1000,
      retryIn: this.retryAt === null ? null : Math.max(0, (this.retryAt - now) / 1000),
    };
  }

  state(now) {
    if (this.mode === "off" || this.paused) return "paused";
    if (this.polling && this.pollAnswered) return "polling";
    if (!this.ready) return "reconnecting";
    return now - this.lastFrameAt > STALE_AFTER_MS ? "stale" : "live";
  }

  setMode(mode) {
    if (!(mode in MODES)) return;
    this.mode = mode;
    writeMode(mode);
    this.deliver();
    this.schedule();
    this.attend();
    this.announce();
  }

  toggle() {
    this.setMode(this.mode === "off" ? "live" : "off");
  }

  announce() {
    const now = this.describe();
    for (const watcher of [...this.watchers]) watcher(now);
  }

  start() {
    if (this.started) return;
    this.started = true;
    setInterval(() => this.tick(), 500);
    document.addEventListener("visibilitychange", () => this.attend());
    document.addEventListener("keydown", (event) => this.onKey(event));
    window.addEventListener("online", () => this.retryNow());
    this.schedule();
    this.attend();
    this.open();
  }

  onKey(event) {
    if (event.key !== " " || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (document.documentElement.dataset.singleKeys === "off") return;
    if (event.target.closest?.("input, textarea, select, button, a, summary, video, audio, [contenteditable], [role=button]")) return;
    event.preventDefault();
    this.toggle();
  }

  tick() {
    if (this.received > this.acked && performance.now() - this.unackedSince > ACK_AFTER_MS) this.ack();
    this.announce();
  }

  /** Tells the server to hold its tongue while nobody looks, and to show the present once somebody does. */
  attend() {
    const pause = this.mode === "off" || document.hidden;
    if (pause === this.paused) return;
    this.paused = pause;
    if (!this.ready) {
      if (!pause) this.retryNow();
      return;
    }
    this.held = [];
    this.lastFrameAt = performance.now();
    this.send({type: pause ? "pause" : "resume"});
  }

  open() {
    if (this.loggedOut || this.socket) return;
    this.retryAt = null;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws/`);
    this.socket = socket;
    this.received = 0;
    this.acked = 0;
    socket.onmessage = (event) => this.onMessage(socket, event.data);
    socket.onclose = (event) => this.onClose(socket, event.code);
  }

  retryNow() {
    clearTimeout(this.retryTimer);
    this.open();
  }

  onClose(socket, code) {
    if (socket !== this.socket) return;
    this.socket = null;
    this.ready = false;
    this.failures += 1;
    if (code === LOGGED_OUT) {
      this.endSession();
      return;
    }
    if (this.failures >= TRIES_BEFORE_POLLING) this.startPolling();
    const ceiling = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (this.failures - 1));
    const wait = ceiling / 2 + Math.random() * (ceiling / 2);
    this.retryAt = performance.now() + wait;
    this.retryTimer = setTimeout(() => this.open(), wait);
    this.announce();
  }

  endSession() {
    if (this.loggedOut) return;
    this.loggedOut = true;
    clearTimeout(this.retryTimer);
    this.stopPolling();
    this.emit("logout", {code: LOGGED_OUT});
  }

  onMessage(socket, text) {
    if (socket !== this.socket) return;
    this.lastFrameAt = performance.now();
    if (this.received === this.acked) this.unackedSince = this.lastFrameAt;
    this.received += 1;
    const message = JSON.parse(text);
    for (const frame of message.type === "batch" ? message.frames : [message]) this.take(frame);
    if (this.received - this.acked >= ACK_EVERY || message.type === "snap") this.ack();
  }

  ack() {
    this.acked = this.received;
    this.send({type: "ack", n: this.acked});
  }

  take(frame) {
    if (frame.type === "hello") this.onHello(frame);
    else if (frame.type === "delta" && MODES[this.mode] > 0) this.held.push(frame);
    else {
      this.held = this.held.filter(({topic}) => topic !== frame.topic);
      this.dispatch(frame);
    }
  }

  onHello(frame) {
    this.ready = true;
    this.failures = 0;
    this.stopPolling();
    if (this.paused) this.send({type: "pause"});
    if (this.build !== null && this.build !== frame.build) this.emit("build", {from: this.build, to: frame.build});
    this.build ??= frame.build;
    this.emit("hello", frame);
    this.held = [];
    for (const channel of this.channels.values()) this.ask(channel);
    this.announce();
  }

  dispatch(frame) {
    const channel = this.channels.get(frame.topic);
    if (!channel) return;
    if (frame.type === "error") channel.tell("onError", frame, frame);
    else if (!channel.receive(frame) && channel.seq !== null) this.ask(channel, true);
  }

  /** In the modes 2s and 10s frames wait here and are handed on together. */
  schedule() {
    clearInterval(this.deliveryTimer);
    const period = MODES[this.mode];
    if (period > 0 && period < Infinity) this.deliveryTimer = setInterval(() => this.deliver(), period);
  }

  deliver() {
    for (const frame of this.held.splice(0)) this.dispatch(frame);
  }

  startPolling() {
    if (this.polling) return;
    this.polling = true;
    this.poll();
    this.pollTimer = setInterval(() => this.poll(), this.mode === "10s" ? MODES["10s"] : POLL_MS);
  }

  stopPolling() {
    clearInterval(this.pollTimer);
    this.polling = false;
    this.pollAnswered = false;
  }

  /** The same snapshots over plain HTTP, for networks that block websockets. */
  async poll() {
    if (this.paused || this.channels.size === 0) return;
    const query = new URLSearchParams();
    for (const {topic, filter} of this.channels.values()) {
      query.append("topic", topic);
      query.append("filter", filter);
    }
    const answer = await fetch(`/live/?${query}`, {headers: {Accept: "application/json"}}).catch(() => null);
    if (!this.polling) return;
    this.pollAnswered = answer?.ok ?? false;
    if (answer?.status === 401) this.endSession();
    if (!this.pollAnswered) return;
    this.lastFrameAt = performance.now();
    for (const frame of (await answer.json()).frames) this.dispatch(frame);
  }
}

function readMode() {
  try {
    const mode = localStorage.getItem(MODE_KEY);
    return mode in MODES ? mode : "live";
  } catch {
    return "live";
  }
}

function writeMode(mode) {
  try {
    localStorage.setItem(MODE_KEY, mode);
  } catch {
    // Private windows may refuse; the mode then lasts as long as the page.
  }
}

export const live = new Live();
