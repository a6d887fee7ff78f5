/** The theme switch: as the system, light, dark; remembered. theme.js applies it before the first paint. */

import {all} from "./dom.js";
import {bind} from "./keys.js";

const root = document.documentElement;

function present() {
  return root.dataset.theme ?? "system";
}

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function choose(theme) {
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem("drover.theme");
    else localStorage.setItem("drover.theme", theme);
  } catch {
    // Remembered for this page only.
  }
  mark();
}

function mark() {
  for (const item of all("[data-theme-set]")) item.setAttribute("aria-checked", String(item.dataset.themeSet === present()));
}

export function startTheming() {
  mark();
  document.addEventListener("click", (event) => {
    const item = event.target.closest("[data-theme-set]");
    if (item) choose(item.dataset.themeSet);
  });
  bind({d: () => choose(isDark() ? "light" : "dark")});
}
