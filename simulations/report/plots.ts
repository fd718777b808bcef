/** The plots of a report, except for the map. */
import * as Plot from '@observablehq/plot';
import type { SketchSummary } from '../sketch.ts';
import { drawn } from './drawing.ts';
import type { Html } from './html.ts';
import type { Series } from './series.ts';

const { format: compact } = new Intl.NumberFormat('en', { notation: 'compact' });

/** The cost of a policy, in user-seconds. */
export interface CostBar {
  readonly servingS: number;
  readonly movingS: number;
  /** Half width of the 95 % confidence interval; absent if there is one seed. */
  readonly halfWidthS?: number;
  /** The label behind the bar. */
  readonly text: string;
}

/** One bar for each policy, of serving and moving cost, and a line at the yardstick. */
export function costPlot(series: readonly Series[], bars: readonly CostBar[], yardstickS: number): Html {
  const parts = bars.flatMap(({ servingS, movingS }, i) => [
    { name: series[i]!.name, value: servingS, fill: 'var(--serving)' },
    { name: series[i]!.name, value: movingS, fill: 'var(--moving)' },
  ]);
  const ends = bars.map((bar, i) => ({ ...bar, name: series[i]!.name, totalS: bar.servingS + bar.movingS }));
  const ranges = ends.filter(({ halfWidthS }) => halfWidthS !== undefined);
  const longest = Math.max(...series.map(({ name }) => name.length));
  return drawn('Cost of each policy in user-seconds, of serving and of moving', ({ narrow }) => ({
    height: 62 + bars.length * 38,
    marginLeft: Math.min(narrow ? 110 : 160, 16 + longest * 7),
    marginRight: narrow ? 56 : 110,
    color: { type: 'identity' },
    x: { label: 'user-seconds →', labelOffset: 38, grid: true, ticks: narrow ? 3 : 6, tickFormat: compact },
    y: { label: null, domain: series.map(({ name }) => name), tickSize: 0 },
    marks: [
      Plot.barX(parts, { x: 'value', y: 'name', fill: 'fill', insetTop: 3, insetBottom: 3 }),
      Plot.ruleX([yardstickS], { stroke: 'currentColor', strokeDasharray: '3 3' }),
      Plot.ruleY(ranges, {
        y: 'name',
        x1: ({ totalS, halfWidthS }) => totalS - halfWidthS,
        x2: ({ totalS, halfWidthS }) => totalS + halfWidthS,
        strokeWidth: 2,
      }),
      Plot.text(ends, {
        x: (end) => end.totalS + (end.halfWidthS ?? 0),
        y: 'name',
        text: 'text',
        textAnchor: 'start',
        dx: 7,
      }),
    ],
  }));
}

/** Cumulative distributions: one line for each policy that has values. */
export function sharePlot(
  label: string,
  series: readonly Series[],
  spreads: readonly SketchSummary[],
  x: { readonly label: string; readonly type: 'linear' | 'log' },
): Html {
  const [low, high] = shownRange(spreads, x.type);
  const lines = spreads.map(({ steps }, i) => {
    const inside = steps.filter(({ value }) => value >= low && value <= high);
    return { series: series[i]!, points: [{ value: inside[0]?.value ?? low, share: 0 }, ...inside] };
  });
  return drawn(label, ({ narrow }) => ({
    height: narrow ? 230 : 300,
    marginLeft: 44,
    marginRight: 16,
    color: { type: 'identity' },
    x: {
      label: x.label,
      labelOffset: 38,
      domain: [low, high],
      // A logarithmic scale of the library labels powers of ten only. Far above 1 ms a symmetric logarithm is the same.
      ...(x.type === 'log'
        ? { type: 'symlog' as const, constant: 1, ...durationTicks(low, high, narrow ? 5 : 9) }
        : { ticks: narrow ? 4 : 8 }),
    },
    y: { label: null, domain: [0, 1], tickFormat: '.0%', grid: true, ticks: 5 },
    marks: lines.flatMap(({ series: { colour, dash, width }, points }) =>
      points.length < 2
        ? []
        : [
            Plot.line(points, {
              x: 'value',
              y: 'share',
              stroke: colour,
              strokeDasharray: dash,
              strokeWidth: width,
              curve: 'step-after',
            }),
          ],
    ),
  }));
}

/** The range of the axis: all values without the lowest and the highest thousandth. */
function shownRange(spreads: readonly SketchSummary[], type: 'linear' | 'log'): [number, number] {
  const values = spreads.flatMap(({ steps }) =>
    steps.filter(({ share }, i) => share >= 0.001 && (steps[i - 1]?.share ?? 0) <= 0.999).map(({ value }) => value),
  );
  if (values.length === 0) return type === 'log' ? [1, 10] : [0, 1];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (type === 'log') return [Math.max(low, 1e-3) / 1.1, high * 1.1];
  const margin = (high - low || high || 1) * 0.03;
  return [Math.max(0, low - margin), high + margin];
}

/** Counts over time: one line for each policy. @param stepMs between two counts */
export function timePlot(
  label: string,
  series: readonly Series[],
  counts: readonly (readonly number[])[],
  fromMs: number,
  stepMs: number,
): Html {
  const at = (i: number) => new Date(fromMs + i * stepMs);
  const days = Math.max(...counts.map(({ length }) => length * stepMs)) / 86_400_000;
  const clock = (date: Date) => (days > 2 ? date.toISOString().slice(5, 10) : date.toISOString().slice(11, 16));
  return drawn(label, ({ narrow }) => ({
    height: narrow ? 220 : 280,
    marginLeft: 48,
    marginRight: 16,
    color: { type: 'identity' },
    x: { type: 'utc', label: 'UTC →', labelOffset: 38, ticks: narrow ? 4 : 7, tickFormat: clock },
    y: { label: null, grid: true, ticks: 5, tickFormat: compact },
    marks: [
      Plot.ruleY([0], { strokeOpacity: 0.4 }),
      ...counts.map((values, i) =>
        Plot.line([...values, values.at(-1) ?? 0], {
          x: (_: number, index: number) => at(index),
          y: (value: number) => value,
          stroke: series[i]!.colour,
          strokeDasharray: series[i]!.dash,
          strokeWidth: series[i]!.width,
          curve: 'step-after',
        }),
      ),
    ],
  }));
}

/** Round durations in milliseconds, with their labels. */
const DURATIONS: readonly (readonly [number, string])[] = [
  [1e3, '1 s'],
  [5e3, '5 s'],
  [15e3, '15 s'],
  [60e3, '1 min'],
  [5 * 60e3, '5 min'],
  [15 * 60e3, '15 min'],
  [3600e3, '1 h'],
  [4 * 3600e3, '4 h'],
  [12 * 3600e3, '12 h'],
  [86_400e3, '1 d'],
  [3 * 86_400e3, '3 d'],
  [7 * 86_400e3, '7 d'],
  [28 * 86_400e3, '28 d'],
];

/** Ticks at round durations, at most about `most` of them. */
function durationTicks(low: number, high: number, most: number) {
  const inside = DURATIONS.filter(([ms]) => ms >= low && ms <= high);
  const shown = inside.filter((_, i) => (inside.length - 1 - i) % Math.ceil(inside.length / most) === 0);
  return { ticks: shown.map(([ms]) => ms), tickFormat: (ms: number) => new Map(DURATIONS).get(ms) ?? '' };
}
