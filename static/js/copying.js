/** Copy buttons; they also work on plain http, where browsers hide the clipboard. */

import {copyText} from "./markdown.js";
import {toast} from "./toasts.js";

export async function copy(text, what = "Copied") {
  if (await copyText(text)) toast(`${what}.`, "info");
  else toast("The browser did not let go of the clipboard. Select the text and copy it.", "warn");
}

export function startCopying() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button.dataset.copy);
  });
}
