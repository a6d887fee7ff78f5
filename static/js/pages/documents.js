/** The list of documents: files are dropped, pasted or chosen, and uploaded while the page stays. */

import {attr, field, one, put, setIcon, stamp} from "../dom.js";
import {refresh} from "../regions.js";
import {send} from "../uploads.js";

const form = one("[data-upload]");

async function upload(files) {
  for (const file of files) {
    const row = one("[data-uploads]", form).appendChild(stamp("upload-row"));
    put(field(row, "name"), file.name);
    put(field(row, "words"), "reading…");
    const sent = await send(file, form);
    settle(row, sent ? "completed" : "failed", sent?.message ?? "was not taken");
    if (sent) refresh("documents");
  }
}

function settle(row, state, words) {
  attr(row, "data-state", state);
  setIcon(one("svg", row), state);
  put(field(row, "words"), words);
}

if (form) {
  const input = one("[data-files]", form);
  const zone = one("[data-drop]", form);
  input.addEventListener("change", () => {
    upload([...input.files]);
    form.reset();
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    zone.addEventListener(kind, (event) => {
      event.preventDefault();
      zone.toggleAttribute("data-over", kind === "dragover");
      if (kind === "drop") upload([...event.dataTransfer.files]);
    });
  }
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) upload(files);
  });
}
