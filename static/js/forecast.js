/** About how much memory the chosen model takes with the chosen context, fetched as a fragment. */

import {one, show} from "./dom.js";

export function startForecast(form) {
  const place = one("[data-forecast]", form);
  const chosen = () => [form.elements.model_name.value, form.elements.num_ctx.value];
  let asked = "";

  async function look() {
    const [model, context] = chosen();
    asked = `${model} ${context}`;
    if (!model || !context) return show(place, false);
    const mine = asked;
    const response = await fetch(`/models/${model.split("/").map(encodeURIComponent).join("/")}/forecast?num_ctx=${context}`).catch(() => null);
    if (mine !== asked) return;
    const found = Boolean(response?.ok) && !response.redirected;
    if (found) place.replaceChildren(...new DOMParser().parseFromString(await response.text(), "text/html").body.childNodes);
    show(place, found);
  }

  form.elements.model_name.addEventListener("change", look);
  form.elements.num_ctx.addEventListener("change", look);
  look();
}
