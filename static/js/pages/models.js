/** Models: what is where is drawn again by the server when a node changes. */

import {soon} from "../dom.js";
import {refresh} from "../regions.js";
import {live} from "../socket.js";

const LOOKING_MS = 2000;

let first = true;
const again = soon(() => refresh("models"), 1000);
live.subscribe("nodes", {onSnap: () => (first ? (first = false) : again()), onDelta: again});
document.addEventListener("drover:acted", () => refresh("models"));

/** A list that is being fetched may come without anything else about the node having changed. */
setInterval(() => document.querySelector(".banner[data-state=loading]") && refresh("models"), LOOKING_MS);
