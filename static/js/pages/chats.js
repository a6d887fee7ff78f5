/** The list of conversations: Enter begins a new one, with images if there are some. */

import {one} from "../dom.js";
import {sendsOnEnter} from "../composer.js";
import {startShots} from "../shots.js";

const form = one("[data-start]");
const area = one("[data-text]", form);

startShots(form);
sendsOnEnter(area, () => area.value.trim() && form.requestSubmit(one("[data-send]", form)));
if (!area.disabled && matchMedia("(pointer: fine)").matches) area.focus();
