/** The colours of what is drawn. They are those of the style sheet, which chose them to differ for colour-blind eyes too. */

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

/** Colours have changed: they are read again, which takes the browser some time. */
export function forgetPalette(): void {
  known = undefined;
}

/** The colours as they are now. */
export function palette(): Palette {
  known ??= readPalette();
  return known;
}

function readPalette(): Palette {
  // A property is read as it was written, `light-dark(…)` and all; only what uses it shows the colour that follows.
  const probe = document.body.appendChild(document.createElement('i'));
  const colours = NAMES.map((name) => {
    probe.style.color = `var(--${name})`;
    return [name, getComputedStyle(probe).color];
  });
  probe.remove();
  return Object.fromEntries(colours) as Palette;
}
