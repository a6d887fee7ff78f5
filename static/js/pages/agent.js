/** The form of an agent: shows what the chosen kind says where the agent says nothing. */

import {all, one, show} from "../dom.js";

const form = one("[data-page=agent] form[data-run]");
const kind = form.elements.kind;

function arrange() {
  const silent = form.elements.no_prompt.checked || form.elements.system_prompt.value.trim() !== "";
  for (const manner of all("[data-manner]", form)) show(manner, manner.dataset.manner === kind.value && !silent);
}

form.addEventListener("input", arrange);
arrange();
