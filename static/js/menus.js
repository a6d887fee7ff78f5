/** Menus made of <details>: close on a click elsewhere or Esc, arrows move. Also the help dialog. */

import {all, one} from "./dom.js";

export function startMenus() {
  document.addEventListener("click", (event) => {
    const inside = event.target.closest("details[data-menu]");
    for (const menu of all("details[data-menu][open]")) if (menu !== inside) menu.open = false;
    if (event.target.closest("[data-menu] .menu__item") && inside) inside.open = false;
    if (event.target.closest("[data-open-help]")) document.getElementById("help").showModal();
    if (event.target.closest("[data-reload]")) location.reload();
    if (event.target.matches("dialog")) event.target.close();
  });
  document.addEventListener("keydown", onKey, {capture: true});
  const keys = one("[data-single-keys]");
  keys.checked = document.documentElement.dataset.singleKeys !== "off";
  keys.addEventListener("change", () => setSingleKeys(keys.checked));
}

function onKey(event) {
  const menu = event.target.closest?.("details[data-menu][open]");
  if (!menu) return;
  if (event.key === "Escape") {
    menu.open = false;
    menu.querySelector("summary").focus();
    event.stopPropagation();
  }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  event.preventDefault();
  const items = all(".menu__item", menu);
  const step = event.key === "ArrowDown" ? 1 : -1;
  items.at((items.indexOf(document.activeElement) + step + items.length) % items.length)?.focus();
}

function setSingleKeys(on) {
  document.documentElement.dataset.singleKeys = on ? "on" : "off";
  try {
    localStorage.setItem("drover.keys", on ? "on" : "off");
  } catch {
    // Remembered for this page only.
  }
}
