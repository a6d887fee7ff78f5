/** The frame of every page. Each page adds one module of its own from pages/. */

import {startClock} from "./clock.js";
import {startCopying} from "./copying.js";
import {startForms} from "./forms.js";
import {startKeys} from "./keys.js";
import {startLoad} from "./load.js";
import {startMenus} from "./menus.js";
import {startPill} from "./pill.js";
import {live} from "./socket.js";
import {startTheming} from "./theming.js";
import {startToasts, toast} from "./toasts.js";

startToasts();
startForms();
startKeys();
startMenus();
startTheming();
startCopying();
startClock();

if (document.body.dataset.user) {
  startPill();
  startLoad();
  live.subscribe("notices", {
    onDelta: ({notices}) => notices.forEach(({level, text}) => toast(text, level === "error" ? "failed" : "info")),
  });
}
