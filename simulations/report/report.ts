/** A comparison as one HTML file. It has no script, loads nothing from the network, and shows the numbers beside each plot. */
import { readFileSync } from 'node:fs';
import { digits, instant } from '#shared/format.ts';
import type { RunResult } from '../engine.ts';
import type { ReportData } from '../report-data/collector.ts';
import type { Comparison, Simulated } from '../simulate.ts';
import { comparisonRows } from './comparison-rows.ts';
import { distributionSection } from './distributions.ts';
import { type Edition, head } from './head.ts';
import { type Html, html, raw } from './html.ts';
import { densityDefinition, mapPlot } from './map.ts';
import { dataTable, figure, tabs } from './parts.ts';
import { type CostBar, costPlot, timePlot } from './plots.ts';
import { legend, named, type Series, seriesOf } from './series.ts';
import { settingsTable } from './settings.ts';
import { binnedMoves, stepWords } from './time-bins.ts';
import { worstVms } from './vms.ts';
import { type Yardstick, yardstickOf } from './yardstick.ts';

const STYLE = readFileSync(new URL('./style.css', import.meta.url), 'utf8');
const DENSITY = 'density';
const MOST_SITES = 12;

/** A run of a policy with its report data. Bounds have none. */
interface RunWithData {
  readonly series: Series;
  readonly run: RunResult;
  readonly data: ReportData;
}

/** @returns the text of the file; the same results give the same text */
export function reportHtml({ comparison, reportData }: Simulated, edition: Edition): string {
  const { seeds, runs, settings } = comparison;
  const series = seriesOf(reportData.map((_, i) => runs[i * seeds.length]!.policy));
  const yardstick = yardstickOf(comparison);
  const names = series.map(({ name }) => name);
  const shown = reportData.flatMap((data, i): RunWithData[] =>
    data === undefined ? [] : [{ series: series[i]!, run: runs[i * seeds.length]!, data }],
  );
  const ofRuns: [string, string, Html][] = [
    ['map', 'Map', mapSection(shown)],
    [
      'distributions',
      'Distributions',
      distributionSection(
        shown.map((one) => one.series),
        shown.map(({ data }) => data),
      ),
    ],
    ['moves', 'Moves over time', movesSection(shown)],
    ['vms', 'The worst VMs', vmSection(shown, settings.policy.margin)],
  ];
  const parts: [string, string, Html][] = [
    ['cost', 'Cost', costSection(comparison, series, yardstick)],
    ...(shown.length > 0 ? ofRuns : []),
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

function mapSection(shown: readonly RunWithData[]): Html {
  const { fromMs, toMs } = shown[0]!.run;
  const hours = Math.max(1, toMs - fromMs) / 3_600_000;
  const { density } = shown[0]!.data;
  const inside = density.counts.reduce((a, b) => a + b, 0);
  const outside =
    density.outside === 0
      ? ''
      : ` ${density.outside.toLocaleString('en')} of ${(inside + density.outside).toLocaleString('en')} positions lie outside of the map.`;
  const about = `Grey: positions of users, stronger where there were more. Dots: sites, as large as the number of VMs there on average. Arrows: moves from site to site, those that were made most.${outside}`;
  const panes = shown.map(({ data, series: { name } }) => {
    const busiest = [...data.sites].sort((a, b) => b.vmHours - a.vmHours || (a.site < b.site ? -1 : 1));
    const numbers = dataTable(
      data.sites.length > MOST_SITES ? `The ${MOST_SITES} sites with most VMs, of ${data.sites.length}` : 'Sites',
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
    const label = `Map of sites and of moves by ${name}`;
    const map = html`<div class="map">${mapPlot(label, DENSITY, data, hours)}</div>`;
    return { name, body: figure(`Where VMs went: ${name}`, about, map, numbers) };
  });
  return html`${densityDefinition(DENSITY, density)}${tabs('maps', 'Policy of the map', panes)}`;
}

function movesSection(shown: readonly RunWithData[]): Html {
  const { fromMs, toMs } = shown[0]!.run;
  const series = shown.map((one) => one.series);
  const lists = shown.map(({ data }) => data.movesByMinute);
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

function vmSection(shown: readonly RunWithData[], margin: number): Html {
  // With many policies, show fewer VMs of each: nobody reads a hundred.
  const most = shown.length > 4 ? 3 : 6;
  const panes = shown.map(({ series: { name }, run, data }) => ({
    name,
    body: worstVms(data.worst.slice(0, most), run.cost.totalUserMs, margin),
  }));
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
