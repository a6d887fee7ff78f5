/** One answer by itself. */

import {one} from "../dom.js";
import {bind} from "../keys.js";
import {copyAnswer, dress, rate} from "../reader.js";
import {refresh} from "../regions.js";

const region = one('[data-region="reader"]');
dress(region);
region.addEventListener("click", ({target}) => target.closest("[data-copy-answer]") && copyAnswer(region));
region.addEventListener("drover:region", () => dress(region));
document.addEventListener("drover:acted", () => refresh("reader"));

bind({
  c: () => copyAnswer(region),
  ...Object.fromEntries([0, 1, 2, 3, 4, 5].map((stars) => [String(stars), () => rate(region, stars)])),
});
