/**
 * Images beside a text: chosen, dropped or pasted, looked at for their size, previewed, taken away. The file input stays
 * the truth.
 *
 *   import {startShots} from "./shots.js";
 *   const shots = startShots(form);   // with input[data-images] and [data-shots]; files may be dropped on the form
 *   shots.clear();  shots.count;
 */

import {all, make, one} from "./dom.js";
import {toast} from "./toasts.js";

const MOST_IMAGES = 16;
const MOST_BYTES = 20 * 1024 * 1024;

export function startShots(form) {
  const input = one("[data-images]", form);
  const list = one("[data-shots]", form);

  function set(files) {
    const fitting = files.filter((file) => file.type.startsWith("image/") && file.size <= MOST_BYTES);
    if (fitting.length < files.length) toast("Only images of at most 20 MB are taken.", "warn");
    if (fitting.length > MOST_IMAGES) toast(`At most ${MOST_IMAGES} images are taken.`, "warn");
    const transfer = new DataTransfer();
    fitting.slice(0, MOST_IMAGES).forEach((file) => transfer.items.add(file));
    input.files = transfer.files;
    list.replaceChildren(...[...input.files].map(preview));
  }

  const add = (files) => files.length && set([...input.files, ...files]);

  input.addEventListener("change", () => set([...input.files]));
  form.addEventListener("paste", (event) => {
    const images = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    if (images.length) event.preventDefault();
    add(images);
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    form.addEventListener(kind, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      form.toggleAttribute("data-over", kind === "dragover");
      if (kind === "drop") add([...event.dataTransfer.files]);
    });
  }
  list.addEventListener("click", (event) => {
    const item = event.target.closest("[data-remove-image]")?.closest("li");
    if (item) set([...input.files].filter((_, index) => index !== all("li", list).indexOf(item)));
  });
  return {
    clear: () => set([]),
    get count() {
      return input.files.length;
    },
  };
}

function preview(file) {
  const picture = make("img", {alt: file.name});
  const reader = new FileReader();
  reader.onload = () => (picture.src = reader.result);
  reader.readAsDataURL(file);
  const remove = make("button", {class: "btn btn--sm", type: "button", "data-remove-image": true, "aria-label": `Remove ${file.name}`}, "Remove");
  return make("li", {}, picture, make("span", {class: "clip", title: file.name}, file.name), remove);
}
