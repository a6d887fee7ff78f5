/** Nodes: cards drawn again when a node changes, memory and slots once a second, the doctor's ticks as they come. */

import {all, attr, make, one, put, soon} from "../dom.js";
import {heldOnNode, number, roomOfNode} from "../format.js";
import {onLoad} from "../load.js";
import {setDot, setVram} from "../marks.js";
import {refresh} from "../regions.js";
import {seriesOf} from "../series.js";
import {live} from "../socket.js";
import {toast} from "../toasts.js";

const UP = new Set(["healthy", "draining"]);
const CHECKS = 6;

if (one("[data-page=nodes]")) {
  let first = true;
  let sample = null;
  const again = soon(() => refresh("nodes"), 1000);
  live.subscribe("nodes", {onSnap: () => (first ? (first = false) : again()), onDelta: again});
  onLoad((fresh) => drawLoad((sample = fresh), again));
  document.addEventListener("drover:region", () => sample && drawLoad(sample));
  document.addEventListener("drover:acted", () => refresh("nodes"));
}

const detail = one("[data-page=node-detail]");
if (detail) {
  const mine = Number(detail.dataset.nodeId);
  const again = soon(() => refresh("node", "rest"), 1000);
  let running = null;
  live.subscribe("nodes", {onSnap: () => {}, onDelta: again});
  onLoad((fresh) => {
    const node = fresh.nodes.find(({id}) => id === mine);
    if (node && running !== null && running !== node.running) again();
    running = node?.running ?? null;
    drawLoad(fresh, again);
  });
  document.addEventListener("drover:acted", () => refresh("node", "rest"));
}

const planOf = ({plan}) => (plan ? `${plan.state} ${plan.model}` : "");

/** A circuit that opened is half open by the clock alone, and a load begins in a pass: the card is out of date then. */
function drawLoad(sample, refreshCards = () => {}) {
  const names = all("[data-node-card] td.c-name a").map((link) => link.textContent);
  const series = seriesOf(names);
  for (const node of sample.nodes) {
    const card = one(`[data-node-card="${node.id}"]`);
    if (!card) continue;
    if (card.dataset.circuit !== node.circuit || card.dataset.plan !== planOf(node)) refreshCards();
    const part = (name) => one(`[data-load=${name}]`, card);
    setDot(one(".card__head .dot, .thead__line .dot", card), node.status);
    setVram(part("vram"), node.models, node.vram_bytes, series, UP.has(node.status));
    put(part("vram_used"), heldOnNode(node));
    put(part("vram_room"), roomOfNode(node));
    put(part("running"), UP.has(node.status) ? number(node.running) : "—");
    put(part("slots"), number(node.slots));
  }
}

/** Six ticks, each drawn when it is known. */
async function examine(holder, url, body, button) {
  const list = make("ul", {class: "feed feed--two"});
  const wait = make("li", {}, make("span", {class: "ink-3"}), make("span", {class: "ink-3"}, "Asking…"));
  list.append(wait);
  holder.replaceChildren(list);
  holder.hidden = false;
  attr(button, "aria-busy", "true");
  try {
    const answer = await fetch(url, {method: "POST", body, headers: {Accept: "text/x-ticks"}});
    if (!answer.ok || !answer.body) throw new Error(answer.statusText);
    await readLines(answer.body, (line) => wait.before(parse(line)));
  } catch {
    toast("The check could not be made. Give a full address such as http://gpu-a:11434.", "failed");
    holder.hidden = list.children.length < 2;
  }
  wait.remove();
  attr(button, "aria-busy", null);
  if (list.children.length === CHECKS && !list.querySelector("[data-state=failed]")) toast("All six checks are fine.");
}

async function readLines(stream, take) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const {value, done} = await reader.read();
    const lines = (rest + (value ?? "")).split("\n");
    rest = lines.pop();
    lines.filter(Boolean).forEach(take);
    if (done) return;
  }
}

function parse(line) {
  return document.adoptNode(new DOMParser().parseFromString(`<ul>${line}</ul>`, "text/html").querySelector("li"));
}

document.addEventListener("submit", (event) => {
  const {target: form, submitter} = event;
  const node = form.dataset.doctorRun;
  const probe = submitter?.dataset.check;
  if (!node && !probe) return;
  event.preventDefault();
  delete form.dataset.sent;
  examine(one(`[data-doctor="${node ?? "form"}"]`), probe ?? form.action, new FormData(form), submitter);
}, {capture: true});
