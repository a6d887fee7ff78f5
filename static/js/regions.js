/**
 * Parts of the page drawn by the server again: the same address is fetched and the named regions are exchanged.
 * For what changes seldom; what changes often is patched in place.
 */

import {localise} from "./clock.js";
import {one, soon} from "./dom.js";

let wanted = new Set();

export function refresh(...names) {
  for (const name of names) wanted.add(name);
  fetchSoon();
}

const fetchSoon = soon(async () => {
  const names = [...wanted];
  wanted = new Set();
  const answer = await fetch(location.href, {headers: {Accept: "text/html"}}).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const name of names) exchange(name, fresh);
}, 200);

function exchange(name, fresh) {
  const selector = `[data-region="${name}"]`;
  const [here, there] = [one(selector), one(selector, fresh)];
  if (!here || !there || here.innerHTML === there.innerHTML) return;
  const key = here.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  for (const kept of here.querySelectorAll("[data-keep]")) there.querySelector(`[data-keep="${kept.dataset.keep}"]`)?.replaceWith(kept);
  here.replaceChildren(...document.adoptNode(there).childNodes);
  localise(here);
  if (key) one(`[data-key="${key}"]`, here)?.focus();
  here.dispatchEvent(new CustomEvent("drover:region", {bubbles: true, detail: {name}}));
}
