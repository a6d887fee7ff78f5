/** The admin's own script: the same theme switch as everywhere else. */

import {startTheming} from "./theming.js";

startTheming();
