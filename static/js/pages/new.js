/** The form for a new task: shows what belongs to its type, keeps a draft, previews images, sums up what will happen. */

import {all, make, one, put, show, soon, stamp} from "../dom.js";
import {startForecast} from "../forecast.js";
import {number} from "../format.js";
import {kindOf} from "../forms.js";
import {startPicker} from "../picker.js";
import {toast} from "../toasts.js";

const form = one("[data-page=new]");
const KEY = form.dataset.draft ? `drover.draft.${form.dataset.draft}` : "";
const MOST_IMAGES = 16;
const MOST_BYTES = 20 * 1024 * 1024;
const CHARACTERS_PER_TOKEN = 4;

const type = () => new FormData(form).get("type");

function arrange() {
  for (const part of all("[data-for]", form)) show(part, part.dataset.for.split(" ").includes(kindOf(type())));
  show(one("[data-schema]", form), form.elements.format.value === "schema");
  put(one("label[for=id_prompt]", form), type() === "embed" ? "Texts, one a line" : "Prompt");
  withoutTheBlind();
  summarise();
}

function texts() {
  return type() === "chat" ? all("textarea[name=content]", form).map((area) => area.value) : [form.elements.prompt.value];
}

function summarise() {
  const length = texts().join("").length;
  const agent = form.elements.agent.selectedOptions[0]?.text ?? "no agent";
  const model = form.elements.model_name.value || "the model it chooses";
  const tokens = Math.ceil(length / CHARACTERS_PER_TOKEN);
  put(one("[data-summary]"), length ? `${number(length)} characters, ≈ ${number(tokens)} tokens · ${agent} with ${model}` : `${agent} with ${model}`);
}

/* Messages */
function addMessage() {
  const list = one("[data-messages]", form);
  const roles = all("select[name=role]", list).map((select) => select.value);
  const element = list.appendChild(stamp("message"));
  one("select", element).value = roles.at(-1) === "user" ? "assistant" : "user";
  one("textarea", element).focus();
}

form.addEventListener("click", (event) => {
  if (event.target.closest("[data-add-message]")) addMessage();
  const remove = event.target.closest("[data-remove-message]");
  if (remove && all(".message", form).length > 1) remove.closest(".message").remove();
  if (event.target.closest("[data-remove-image]")) dropImage(event.target.closest("li"));
});

/* Images: the file input stays the truth */
const input = one("[data-images]", form);

function setImages(files) {
  const images = files.filter((file) => file.type.startsWith("image/"));
  const fitting = images.filter((file) => file.size <= MOST_BYTES);
  if (fitting.length < files.length) toast("Only images of at most 20 MB are taken.", "warn");
  if (fitting.length > MOST_IMAGES) toast(`At most ${MOST_IMAGES} images are taken.`, "warn");
  const transfer = new DataTransfer();
  fitting.slice(0, MOST_IMAGES).forEach((file) => transfer.items.add(file));
  input.files = transfer.files;
  drawImages();
}

function drawImages() {
  one("[data-shots]", form).replaceChildren(...[...input.files].map(preview));
  arrange();
}

/* Models that see nothing are not offered beside images. */
function withoutTheBlind() {
  const looking = type() !== "embed" && (input.files.length > 0 || Boolean(form.elements.keep_images?.checked));
  const models = form.elements.model_name;
  for (const option of models.options) option.disabled = looking && "blind" in option.dataset;
  const refused = models.selectedOptions[0]?.disabled ? `${models.value} takes no images.` : "";
  models.setCustomValidity(refused);
  put(one("[data-blind-note]", form), refused);
}

function preview(file) {
  const picture = make("img", {alt: file.name});
  const reader = new FileReader();
  reader.onload = () => (picture.src = reader.result);
  reader.readAsDataURL(file);
  const remove = make("button", {class: "btn btn--sm", type: "button", "data-remove-image": true, "aria-label": `Remove ${file.name}`}, "Remove");
  return make("li", {}, picture, make("span", {class: "clip", title: file.name}, file.name), remove);
}

function dropImage(item) {
  const at = all("[data-shots] > li", form).indexOf(item);
  setImages([...input.files].filter((_, index) => index !== at));
}

input.addEventListener("change", () => setImages([...input.files]));
const zone = one("[data-drop]", form);
const papers = startPicker(one("[data-picker]", form));
for (const kind of ["dragover", "dragleave", "drop"]) {
  zone.addEventListener(kind, (event) => {
    event.preventDefault();
    zone.toggleAttribute("data-over", kind === "dragover");
    if (kind === "drop") setImages([...input.files, ...event.dataTransfer.files]);
  });
}
form.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
  if (files.length && type() !== "embed") setImages([...input.files, ...files]);
});

/* Draft */
const IGNORED = new Set(["csrfmiddlewaretoken", "images", "origin", "form_key"]);

/* Back to a form that was sent: sending it again is meant as another task. */
addEventListener("pageshow", (event) => {
  if (event.persisted) form.elements.form_key.value = `${Date.now()}${Math.random()}`.slice(0, 40);
});

function draft() {
  return [...new FormData(form)].filter(([name]) => !IGNORED.has(name));
}

const keep = soon(() => {
  try {
    const worth = texts().some((text) => text.trim());
    if (worth) localStorage.setItem(KEY, JSON.stringify(draft()));
    else localStorage.removeItem(KEY);
    put(one("[data-draft-state]"), worth ? "Draft saved" : "");
  } catch {
    put(one("[data-draft-state]"), "");
  }
}, 600);

function restore() {
  let saved = null;
  try {
    saved = JSON.parse(localStorage.getItem(KEY));
  } catch {
    return;
  }
  if (!Array.isArray(saved)) return;
  const messages = saved.filter(([name]) => name === "content");
  while (all(".message", form).length < messages.length) addMessage();
  const seen = {};
  for (const [name, value] of saved) {
    const at = (seen[name] = (seen[name] ?? -1) + 1);
    fill(all(`[name="${CSS.escape(name)}"]`, form), value, at);
  }
  put(one("[data-draft-state]"), "Draft restored");
}

function fill(fields, value, at) {
  if (fields[0]?.type === "radio") fields.forEach((field) => (field.checked = field.value === value));
  else if (fields[0]?.type === "checkbox") fields.forEach((field) => (field.checked ||= field.value === value));
  else if (fields[at] && (fields[at].tagName !== "SELECT" || [...fields[at].options].some((option) => option.value === value))) fields[at].value = value;
}

const asked = new URLSearchParams(location.search).get("agent");
if (KEY) {
  restore();
  papers.count();
  if (asked && [...form.elements.agent.options].some((option) => option.value === asked)) form.elements.agent.value = asked;
}
form.addEventListener("input", () => {
  summarise();
  if (KEY) keep();
});
form.addEventListener("change", arrange);
form.addEventListener("submit", () => {
  try {
    if (KEY) localStorage.removeItem(KEY);
  } catch {
    // Nothing was kept.
  }
});

arrange();
const first = one("[data-invalid] textarea", form) ?? one("[data-invalid] :is(input, select)", form) ?? (type() === "chat" ? one(".message textarea", form) : form.elements.prompt);
first?.focus();

startForecast(form);
