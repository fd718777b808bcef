/**
 * Draws plots as SVG while the report is written. So the report needs no script and looks the same everywhere. Each plot is drawn
 * twice, for a wide and for a narrow screen, with letters of the same size. The style sheet shows the one that fits.
 */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { type Html, html, raw } from './html.ts';

/** The size of a plot, in CSS pixels. */
export interface Size {
  readonly width: number;
  readonly narrow: boolean;
}

const SIZES: readonly Size[] = [
  { width: 560, narrow: false },
  { width: 340, narrow: true },
];

const { document } = parseHTML('<!doctype html><html><body></body></html>');

/** Draws a plot in both sizes. @param label a description for screen readers */
export function drawn(label: string, draw: (size: Size) => Plot.PlotOptions): Html {
  return html`${SIZES.map((size) => {
    const { narrow, width } = size;
    const svg = Plot.plot({
      document,
      width,
      className: 'drawing',
      marginBottom: 42,
      style: { fontSize: '12px', overflow: 'visible' },
      ...draw(size),
    }) as unknown as Drawn;
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', label);
    // The style sheet of the report contains these rules.
    svg.querySelector('style')?.remove();
    return html`<div class="${narrow ? 'narrow' : 'wide'}">${raw(svg.outerHTML)}</div>`;
  })}`;
}

/** The members of an SVG element that this file uses. This project compiles without the types of browsers. */
interface Drawn {
  readonly outerHTML: string;
  setAttribute(name: string, value: string): void;
  querySelector(selector: string): { remove(): void } | null;
}

/** A mark that repeats an element of the page, over the whole plot. @param id of the element */
export function reuse(id: string): Plot.Markish {
  return (_index, _scales, _values, { width, height }, { document: page }) => {
    const use = page.createElementNS('http://www.w3.org/2000/svg', 'use');
    for (const [name, value] of Object.entries({ href: `#${id}`, width, height }))
      use.setAttribute(name, String(value));
    return use;
  };
}
