/** A chart colour from 1 to 6 for each model; the same rule as series_of in dashboard/templatetags/marks.py. */

const COLOURS = 6;

export function seriesOf(names) {
  const taken = {};
  for (const name of [...new Set(names)].sort()) {
    const wanted = [...name].reduce((sum, character) => sum + character.codePointAt(0), 0) % COLOURS;
    const used = new Set(Object.values(taken));
    let found = 0;
    for (let i = 0; i < COLOURS && !found; i += 1) {
      const colour = ((wanted + i) % COLOURS) + 1;
      if (!used.has(colour)) found = colour;
    }
    taken[name] = found;
  }
  return taken;
}
