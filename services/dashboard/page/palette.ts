/** The colours of the style sheet, for the canvases. Colour-blind people can distinguish them, too. */

/** The colours by name. */
export type Palette = Readonly<Record<(typeof NAMES)[number], string>>;

const NAMES = [
  'ink',
  'quiet',
  'surface',
  'land',
  'border',
  'user',
  'vm',
  'site',
  'move',
  'fault',
  'drain',
  'chosen',
] as const;

let known: Palette | undefined;

/** Discards the known colours, because they have changed. The next call reads them again, which takes the browser some time. */
export function forgetPalette(): void {
  known = undefined;
}

/** The present colours. */
export function palette(): Palette {
  known ??= readPalette();
  return known;
}

function readPalette(): Palette {
  // The value of a property is its source text, such as `light-dark(…)`. Only an element that uses it has the resulting colour.
  const probe = document.body.appendChild(document.createElement('i'));
  const colours = NAMES.map((name) => {
    probe.style.color = `var(--${name})`;
    return [name, getComputedStyle(probe).color];
  });
  probe.remove();
  return Object.fromEntries(colours) as Palette;
}
