/** The section with the distributions of round-trip times, interruptions and stays. */

import { digits } from '#shared/format.ts';
import type { ReportData } from '../report-data/collector.ts';
import type { SketchSummary } from '../sketch.ts';
import { type Html, html } from './html.ts';
import { dataTable, figure } from './parts.ts';
import { sharePlot } from './plots.ts';
import { legend, named, type Series } from './series.ts';

/** One plot, and the table of its quantiles. */
interface Distribution {
  readonly title: string;
  readonly about: string;
  readonly axis: { readonly label: string; readonly type: 'linear' | 'log' };
  /** The caption of the table. */
  readonly caption: string;
  /** One for each policy. */
  readonly spreads: readonly SketchSummary[];
  /** Formats a value for the table. */
  readonly text: (value: number) => string;
  /** The head of the last column, and its cell for a policy. */
  readonly last: readonly [string, (spread: SketchSummary) => string];
}

/** @param data in the order of `series` */
export function distributionSection(series: readonly Series[], data: readonly ReportData[]): Html {
  const ms = (value: number) => value.toFixed(1);
  const weight = (spread: SketchSummary) => String(spread.weight);
  const stayed = data.map(({ stayed: n }, i) => `${series[i]!.name} ${n}`).join(', ');
  const distributions: Distribution[] = [
    {
      title: 'Round-trip time between users and their VMs',
      about: 'Share of the users’ time that was served within so many milliseconds. Quantiles are exact to 0.3 %.',
      axis: { label: 'round-trip time, ms →', type: 'linear' },
      caption: 'Round-trip time in ms, by the users’ time',
      spreads: data.map(({ rttMs }) => rttMs),
      text: ms,
      last: ['mean', ({ mean }) => ms(mean)],
    },
    {
      title: 'Interruption by a move',
      about: 'Share of completed moves whose longest gap, as a client sees it, was no longer.',
      axis: { label: 'interruption, ms →', type: 'linear' },
      caption: 'Interruption in ms, by completed moves',
      spreads: data.map(({ interruptionMs }) => interruptionMs),
      text: ms,
      last: ['moves', weight],
    },
    {
      title: 'Stay at a site',
      about: `Share of the stays that ended within so long a time. VMs that were still where they were at the end: ${stayed}.`,
      axis: { label: 'stay (logarithmic) →', type: 'log' },
      caption: 'Stays that ended, in minutes',
      spreads: data.map(({ dwellMs }) => dwellMs),
      text: (value) => digits(value / 60_000),
      last: ['stays', weight],
    },
  ];
  return html`${distributions.map((one) => plotAndTable(one, series))}`;
}

function plotAndTable({ title, about, axis, caption, spreads, text, last }: Distribution, series: readonly Series[]) {
  const [head, cell] = last;
  const numbers = dataTable(
    caption,
    [{ head: 'policy' }, ...['p50', 'p90', 'p99', 'max', head].map((name) => ({ head: name, numeric: true }))],
    spreads.map((spread, i) => {
      const { p50, p90, p99, max, steps } = spread;
      const values = steps.length === 0 ? ['–', '–', '–', '–'] : [p50, p90, p99, max].map(text);
      return [named(series[i]!), ...values, cell(spread)];
    }),
  );
  return figure(title, about, html`${legend(series)}${sharePlot(title, series, spreads, axis)}`, numbers);
}
