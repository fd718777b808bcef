/** A comparison as one HTML file: no script, nothing from the network, plots with their numbers beside them. */
import { readFileSync } from 'node:fs';
import type { Spread } from '#simulations/picture/histogram.ts';
import type { Picture } from '#simulations/picture/picture.ts';
import type { Comparison, Simulated } from '#simulations/simulate.ts';
import { comparisonRows } from '../cli/comparison-table.ts';
import { digits, instant } from '../cli/format.ts';
import { type Edition, head } from './head.ts';
import { type Html, html, raw } from './html.ts';
import { densityDefinition, mapPlot } from './map.ts';
import { dataTable, figure, tabs } from './parts.ts';
import { type CostBar, costPlot, sharePlot, timePlot } from './plots.ts';
import { legend, named, type Series, seriesOf } from './series.ts';
import { settingsTable } from './settings.ts';
import { binnedMoves, stepWords } from './time-bins.ts';
import { worstVms } from './vms.ts';
import { type Yardstick, yardstickOf } from './yardstick.ts';

const STYLE = readFileSync(new URL('./style.css', import.meta.url), 'utf8');
const DENSITY = 'density';
const MOST_SITES = 12;

/** @returns the text of the file; the same for the same results */
export function reportHtml({ comparison, pictures }: Simulated, edition: Edition): string {
  const { seeds, runs, settings } = comparison;
  const series = seriesOf(pictures.map((_, i) => runs[i * seeds.length]!.policy));
  const yardstick = yardstickOf(comparison);
  const names = series.map(({ name }) => name);
  const parts: [string, string, Html][] = [
    ['cost', 'Cost', costSection(comparison, series, yardstick)],
    ['map', 'Map', mapSection(comparison, pictures, names)],
    ['distributions', 'Distributions', distributionSection(pictures, series)],
    ['moves', 'Moves over time', movesSection(comparison, pictures, series)],
    ['vms', 'The worst VMs', vmSection(comparison, pictures, names)],
    [
      'figures',
      'All figures and settings',
      html`${figuresTable(comparison, names)}${settingsTable(settings, comparison.vm)}`,
    ],
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${html`${names.join(', ')} – Tagalong`.html}</title>
<style>${STYLE}</style>
</head>
<body>
${
  html`${head(comparison, names, yardstick, edition)}
<nav aria-label="Sections">${parts.map(([id, title]) => html`<a href="#${id}">${title}</a>`)}</nav>
<main>${parts.map(([id, title, body]) => html`<section id="${id}"><h2>${title}</h2>${body}</section>\n`)}</main>
<footer>${footnote(comparison)}</footer>`.html
}
</body>
</html>
`;
}

function footnote({ seeds, runs }: Comparison): string {
  const first = seeds.length > 1 ? ` Map, distributions, moves and VMs are of seed ${seeds[0]} alone.` : '';
  return `Cost is in user-seconds: each second of a user at each second of round-trip time above the target, and what moves cost, in one currency.${first} ${runs[0]!.users} users’ movements can be told from the map: handle this file like the trace.`;
}

function costSection(
  comparison: Comparison,
  series: readonly Series[],
  { costs, halfWidths, base, ofOptimum }: Yardstick,
) {
  const { runs, seeds } = comparison;
  const mean = (i: number, of: (run: (typeof runs)[0]) => number) =>
    runs.slice(i * seeds.length, (i + 1) * seeds.length).reduce((sum, run) => sum + of(run), 0) / seeds.length;
  const ratio = (i: number) => (costs[base] === 0 ? '' : `${(costs[i]! / costs[base]!).toFixed(3)}`);
  const bars = series.map((_, i): CostBar => {
    const halfWidth = halfWidths[i];
    return {
      servingS: mean(i, ({ cost }) => cost.servingUserMs) / 1000,
      movingS: mean(i, ({ cost }) => cost.movingUserMs) / 1000,
      text: ratio(i) === '' ? '' : `× ${ratio(i)}`,
      ...(halfWidth !== undefined && { halfWidthS: halfWidth / 1000 }),
    };
  });
  const yardstick = ofOptimum ? 'optimum' : 'least';
  const numbers = dataTable(
    seeds.length > 1 ? `User-seconds, mean of ${seeds.length} seeds ± 95 % confidence` : 'User-seconds',
    [
      { head: 'policy' },
      { head: 'cost', numeric: true },
      { head: `÷ ${yardstick}`, numeric: true },
      { head: 'serving', numeric: true },
      { head: 'moving', numeric: true },
      { head: 'moves', numeric: true },
    ],
    bars.map(({ servingS, movingS, halfWidthS }, i) => [
      named(series[i]!),
      `${digits(costs[i]! / 1000)}${halfWidthS === undefined ? '' : ` ± ${digits(halfWidthS)}`}`,
      ratio(i),
      digits(servingS),
      digits(movingS),
      digits(mean(i, ({ migrations }) => migrations.completed)).replace(/\.0+$/, ''),
    ]),
  );
  const about = ofOptimum
    ? 'The dashed line is the optimum: nobody who does not know the future gets below it.'
    : 'The dashed line is the policy that costs least.';
  const key = html`<p class="legend"><span class="key"><i class="swatch serving"></i>serving</span> <span class="key"><i class="swatch moving"></i>moving</span></p>`;
  return figure('What the users paid', about, html`${key}${costPlot(series, bars, costs[base]! / 1000)}`, numbers);
}

function mapSection(comparison: Comparison, pictures: readonly Picture[], names: readonly string[]): Html {
  const { fromMs, toMs } = comparison.runs[0]!;
  const hours = Math.max(1, toMs - fromMs) / 3_600_000;
  const [{ density }] = pictures as [Picture, ...Picture[]];
  const inside = density.counts.reduce((a, b) => a + b, 0);
  const outside =
    density.outside === 0
      ? ''
      : ` ${density.outside.toLocaleString('en')} of ${(inside + density.outside).toLocaleString('en')} positions lie outside of the map.`;
  const about = `Grey: positions of users, stronger where there were more. Dots: sites, as large as the number of VMs there on average. Arrows: moves from site to site, those that were made most.${outside}`;
  const panes = pictures.map((picture, i) => {
    const busiest = [...picture.sites].sort((a, b) => b.vmHours - a.vmHours || (a.site < b.site ? -1 : 1));
    const numbers = dataTable(
      picture.sites.length > MOST_SITES ? `The ${MOST_SITES} sites with most VMs, of ${picture.sites.length}` : 'Sites',
      [
        { head: 'site' },
        { head: 'VMs, mean', numeric: true },
        { head: 'arrived', numeric: true },
        { head: 'left', numeric: true },
      ],
      busiest
        .slice(0, MOST_SITES)
        .map(({ site, vmHours, arrived, left }) => [site, digits(vmHours / hours), String(arrived), String(left)]),
    );
    const label = `Map of sites and of moves by ${names[i]}`;
    const map = html`<div class="map">${mapPlot(label, DENSITY, picture, hours)}</div>`;
    return { name: names[i]!, body: figure(`Where VMs went: ${names[i]}`, about, map, numbers) };
  });
  return html`${densityDefinition(DENSITY, density)}${tabs('maps', 'Policy of the map', panes)}`;
}

function distributionSection(pictures: readonly Picture[], series: readonly Series[]): Html {
  const numbers = (
    caption: string,
    spreads: readonly Spread[],
    text: (ms: number) => string,
    weight: [string, (spread: Spread) => string],
  ) =>
    dataTable(
      caption,
      [{ head: 'policy' }, ...['p50', 'p90', 'p99', 'max', weight[0]].map((head) => ({ head, numeric: true }))],
      spreads.map((spread, i) => {
        const { p50, p90, p99, max } = spread;
        const values = spread.steps.length === 0 ? ['–', '–', '–', '–'] : [p50, p90, p99, max].map(text);
        return [named(series[i]!), ...values, weight[1](spread)];
      }),
    );
  const key = legend(series);
  const rtts = pictures.map(({ rttMs }) => rttMs);
  const interruptions = pictures.map(({ interruptionMs }) => interruptionMs);
  const dwells = pictures.map(({ dwellMs }) => dwellMs);
  const stayed = pictures.map(({ stayed: n }, i) => `${series[i]!.name} ${n}`).join(', ');
  const ms = (value: number) => value.toFixed(1);
  const whole = (spread: Spread) => String(spread.weight);
  return html`${figure(
    'Round-trip time between users and their VMs',
    'Share of the users’ time that was served within so many milliseconds. Quantiles are exact to 0.3 %.',
    html`${key}${sharePlot('Share of the time served within a round-trip time', series, rtts, { label: 'round-trip time, ms →', type: 'linear' })}`,
    numbers('Round-trip time in ms, by the users’ time', rtts, ms, ['mean', ({ mean }) => ms(mean)]),
  )}${figure(
    'Interruption by a move',
    'Share of completed moves whose longest gap, as a client sees it, was no longer.',
    html`${key}${sharePlot('Share of moves within an interruption', series, interruptions, { label: 'interruption, ms →', type: 'linear' })}`,
    numbers('Interruption in ms, by completed moves', interruptions, ms, ['moves', whole]),
  )}${figure(
    'Stay at a site',
    `Share of the stays that ended within so long a time. VMs that were still where they were at the end: ${stayed}.`,
    html`${key}${sharePlot('Share of stays that ended within a time', series, dwells, { label: 'stay (logarithmic) →', type: 'log' })}`,
    numbers('Stays that ended, in minutes', dwells, (value) => digits(value / 60_000), ['stays', whole]),
  )}`;
}

function movesSection({ runs }: Comparison, pictures: readonly Picture[], series: readonly Series[]): Html {
  const { fromMs, toMs } = runs[0]!;
  const lists = pictures.map(({ movesByMinute }) => movesByMinute);
  const plotted = binnedMoves(lists, fromMs, toMs, 72);
  const listed = binnedMoves(lists, fromMs, toMs, 12);
  const plot = timePlot('Completed moves over time', series, plotted.counts, plotted.fromMs, plotted.stepMs);
  const numbers = dataTable(
    `Moves in ${stepWords(listed.stepMs)} from`,
    [{ head: 'UTC' }, ...series.map(({ name }) => ({ head: name, numeric: true }))],
    listed.counts[0]!.map((_, i) => [
      instant(listed.fromMs + i * listed.stepMs).slice(toMs - fromMs > 86_400_000 * 2 ? 0 : 11, -7),
      ...listed.counts.map((counts) => String(counts[i])),
    ]),
  );
  return figure(
    'When VMs moved',
    `Completed moves in steps of ${stepWords(plotted.stepMs)}.`,
    html`${legend(series)}${plot}`,
    numbers,
  );
}

function vmSection(
  { runs, seeds, settings }: Comparison,
  pictures: readonly Picture[],
  names: readonly string[],
): Html {
  // With many policies fewer of each: nobody reads a hundred.
  const most = pictures.length > 4 ? 3 : 6;
  const panes = pictures.map(({ worst }, i) => {
    const total = runs[i * seeds.length]!.cost.totalUserMs;
    return { name: names[i]!, body: worstVms(worst.slice(0, most), total, settings.policy.margin) };
  });
  return html`<p class="lead">The VMs that cost most, and how they looked in the stay that cost most of it.</p>${tabs('worst', 'Policy of the VMs', panes)}`;
}

function figuresTable({ runs, seeds }: Comparison, names: readonly string[]): Html {
  const shown = names.map((_, i) => runs[i * seeds.length]!);
  const caption = seeds.length > 1 ? `Figures of seed ${seeds[0]}` : 'Figures';
  return dataTable(
    caption,
    [{ head: '' }, ...names.map((head) => ({ head, numeric: true }))],
    comparisonRows(shown).map(([head, ...cells]) => [
      html`${raw(head.startsWith(' ') ? '&emsp;' : '')}${head.trim()}`,
      ...cells,
    ]),
  );
}
