/** Keyboard: single keys outside of fields, sequences after g. Off for those who switched them off. */

import {one} from "./dom.js";

const handlers = new Map();
const PLACES = {
  o: "/", t: "/tasks", n: "/new", c: "/chat", b: "/batches", w: "/workflows", r: "/runs", p: "/compare", e: "/bench",
  l: "/load", u: "/outputs", d: "/documents", a: "/agents", m: "/models", s: "/settings",
};
const SEQUENCE_MS = 1200;

let prefixUntil = 0;

/** bind({j: fn, "Shift+X": fn}); the handler returns false to let the key through. */
export function bind(map) {
  for (const [key, handler] of Object.entries(map)) handlers.set(key, handler);
}

export const singleKeys = () => document.documentElement.dataset.singleKeys !== "off";

function isTyping(target) {
  if (target.closest?.("input[type=checkbox], input[type=radio]")) return false;
  return Boolean(target.closest?.("input, textarea, select, [contenteditable]"));
}

function onKey(event) {
  if (event.metaKey || event.ctrlKey || event.altKey || event.isComposing) {
    if (event.key === "k" && (event.metaKey || event.ctrlKey)) find(event);
    return;
  }
  if (document.querySelector("dialog[open]") || isTyping(event.target)) return;
  const handler = event.key === "Escape" ? handlers.get("Escape") : singleKeys() && lookUp(event);
  if (handler && handler(event) !== false) event.preventDefault();
}

function lookUp(event) {
  if (Date.now() < prefixUntil) {
    prefixUntil = 0;
    const place = PLACES[event.key];
    if (place) return () => location.assign(place);
  }
  if (event.key === "g") return () => (prefixUntil = Date.now() + SEQUENCE_MS);
  return handlers.get(event.key);
}

function find(event) {
  const input = one("[data-find]");
  if (!input) return;
  event.preventDefault();
  input.focus();
  input.select();
}

export function startKeys() {
  document.addEventListener("keydown", onKey);
  bind({
    "/": find,
    n: () => location.assign("/new"),
    "?": () => document.getElementById("help").showModal(),
  });
}
