/** Figures as people read them; the same words as dashboard/templatetags/numbers.py. Unknown is a dash, never zero. */

export const DASH = "—";

const known = (value) => value !== null && value !== undefined;
const grouped = (value, digits = 0) =>
  value.toLocaleString("en-US", {minimumFractionDigits: digits, maximumFractionDigits: digits});

export function seconds(value) {
  if (!known(value)) return DASH;
  if (value < 0.1) return `${Math.round(value * 1000)} ms`;
  if (value < 60) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

export function short(value) {
  if (!known(value)) return DASH;
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (value >= size) return `${Math.floor(value / size)} ${unit}`;
  }
  return `${Math.max(0, Math.floor(value))} s`;
}

export const about = (value) => `about ${short(Math.max(1, Math.round(value)))}`;

export function rate(value) {
  if (!known(value)) return DASH;
  return value < 100 ? value.toFixed(1) : grouped(Math.round(value));
}

/** Video memory as it is sold: a 24 GB card has 24 times 2^30 bytes. */
function memory(value) {
  if (!known(value)) return DASH;
  return value < 2 ** 30 ? `${Math.round(value / 2 ** 20)} MB` : `${(value / 2 ** 30).toFixed(1)} GB`;
}

/** What a loaded model takes: of video memory, and of RAM what did not fit there or has no GPU to go to. */
export function held(model) {
  const {vram_bytes: vram, loaded_bytes: loaded} = model;
  if (!known(vram) || !known(loaded) || loaded <= vram) return memory(vram);
  const ram = `${memory(loaded - vram)} RAM`;
  return vram ? `${memory(vram)} + ${ram}` : ram;
}

const withoutGpu = (node) => node.vram_used_bytes === 0 && node.loaded_bytes > 0;

export function heldOnNode(node) {
  return withoutGpu(node) ? `${memory(node.loaded_bytes)} RAM` : memoryFigure(node.vram_used_bytes);
}

export function roomOfNode(node) {
  return withoutGpu(node) ? "" : `/ ${memoryFigure(node.vram_bytes)} GB`;
}

function memoryFigure(value) {
  return known(value) ? (value / 2 ** 30).toFixed(1).replace(/\.0$/, "") : DASH;
}

export function number(value) {
  return known(value) ? grouped(value) : DASH;
}

export function percent(part, whole) {
  return whole ? `${((100 * part) / whole).toFixed(1)} %` : DASH;
}

export function countdown(left) {
  const hours = Math.floor(left / 3600);
  const minutes = Math.floor((left % 3600) / 60);
  const rest = String(Math.floor(left % 60)).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}
