/** The line styles of the policies in a report. If there are more policies than colours, dashes distinguish them, too. */
import { type Html, html } from './html.ts';

/** The palette of Okabe and Ito (Color Universal Design, 2008) in `style.css`, which the colour-blind can distinguish. */
const COLOURS = 7;
const DASHES = ['none', '5 3', '1.5 2.5'];

/** A policy and its line style. */
export interface Series {
  readonly name: string;
  /** A CSS colour. */
  readonly colour: string;
  readonly dash: string;
  /** The first lines are the widest, so that they stay visible below later ones. */
  readonly width: number;
}

/** One for each policy, in the same order. A repeated name gets a number. */
export function seriesOf(policies: readonly string[]): Series[] {
  return policies.map((policy, i) => {
    const before = policies.slice(0, i).filter((other) => other === policy).length;
    return {
      name: before === 0 ? policy : `${policy} (${before + 1})`,
      colour: `var(--s${(i % COLOURS) + 1})`,
      dash: DASHES[Math.floor(i / COLOURS) % DASHES.length]!,
      width: Math.max(1.5, 3.6 - 0.9 * i),
    };
  });
}

/** The name of a policy after a sample of its line. */
export function named({ name, colour, dash }: Series): Html {
  return html`<span class="key"><svg width="22" height="8" aria-hidden="true"><line x1="0" y1="4" x2="22" y2="4" style="stroke:${colour};stroke-width:3;stroke-dasharray:${dash}"/></svg>${name}</span>`;
}

/** The names of all policies with samples of their lines. */
export function legend(series: readonly Series[]): Html {
  return html`<p class="legend">${series.map((one) => html`${named(one)} `)}</p>`;
}
