/** Short news at the corner. Good news leaves by itself, bad news waits to be read. */

import {one, setIcon, stamp} from "./dom.js";

const STAYS_MS = 6000;
const ICONS = {failed: "failed", warn: "warn", completed: "completed", info: "info"};

export function toast(text, state = "completed") {
  const element = stamp("toast");
  element.dataset.state = state;
  element.setAttribute("role", state === "failed" ? "alert" : "status");
  setIcon(element.querySelector("svg"), ICONS[state] ?? "info");
  element.querySelector("span").textContent = text;
  one("[data-toasts]").append(element);
  leaveLater(element);
}

function leaveLater(element) {
  if (element.dataset.state === "completed" || element.dataset.state === "info") setTimeout(() => element.remove(), STAYS_MS);
}

export function startToasts() {
  for (const element of document.querySelectorAll("[data-toasts] > .toast")) leaveLater(element);
  document.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest(".toast")?.remove());
}
