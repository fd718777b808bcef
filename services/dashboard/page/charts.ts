/** Pauses and interruptions of the last hour's moves: two histograms on a logarithmic axis, and a table. */
import uPlot from 'uplot';
import { duration } from '#shared/format.ts';
import type { MoveView } from '../wire.ts';
import { el, fill } from './dom.ts';
import { palette } from './palette.ts';
import type { World } from './world.ts';

/** Histogram bins for each factor of ten. */
const BINS = 10;
const MEASURES = ['pause', 'interruption'] as const;
type Measure = (typeof MEASURES)[number];

/** The chart and the table of pauses and interruptions. */
export interface Charts {
  update(world: World): void;
  /** Draws again, because the colours have changed. */
  repaint(): void;
}

/** Creates the chart in `container`, and fills `table`. */
export function createCharts(container: HTMLElement, table: HTMLElement): Charts {
  let plot: uPlot | undefined;
  let known = '';
  let last: World | undefined;
  let drawnMs = Number.NEGATIVE_INFINITY;

  const update = (world: World) => {
    last = world;
    const ended = [...world.moves.values()].filter(({ figures }) => figures !== null && figures.pauseMs > 0);
    const width = table.parentElement!.clientWidth - MARGIN;
    const signature = `${ended.length} ${ended.at(-1)?.migration} ${width}`;
    // The chart changes at most every two seconds, so that people can read it when moves end all the time.
    if (signature === known || performance.now() < drawnMs + PAUSE_MS) return;
    drawnMs = performance.now();
    known = signature;
    fill(table, ...spreadRows(ended));
    container.hidden = ended.length === 0;
    if (ended.length === 0) return;
    const data = histogram(ended);
    if (plot === undefined) plot = new uPlot(optionsOf(width), data, container);
    else {
      plot.setSize({ width, height: HEIGHT });
      plot.setData(data);
    }
  };
  return {
    update,
    repaint() {
      plot?.destroy();
      plot = undefined;
      known = '';
      drawnMs = Number.NEGATIVE_INFINITY;
      if (last) update(last);
    },
  };
}

const HEIGHT = 190;
const FONT = '12px system-ui, sans-serif';
const LEAST_SPREAD = 10;
const PAUSE_MS = 2_000;
/** The left and right padding of a section in the style sheet. */
const MARGIN = 28;

function valuesOf(moves: readonly MoveView[], measure: Measure): number[] {
  return moves.map(({ figures }) => (measure === 'pause' ? figures!.pauseMs : figures!.interruptionMs));
}

/** The lower edges of the bins in milliseconds, and the counts of each measure. */
function histogram(moves: readonly MoveView[]): uPlot.AlignedData {
  const binOf = (ms: number) => Math.floor(Math.log10(Math.max(1, ms)) * BINS);
  const all = MEASURES.map((measure) => valuesOf(moves, measure).map(binOf));
  const first = Math.min(...all.flat()) - 1;
  const last = Math.max(...all.flat()) + 1;
  const bins = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const counts = all.map((of) => bins.map((bin) => of.filter((other) => other === bin).length));
  return [bins.map((bin) => 10 ** (bin / BINS)), ...counts] as uPlot.AlignedData;
}

function optionsOf(width: number): uPlot.Options {
  const { ink, quiet, border, user, vm } = palette();
  const axis = {
    stroke: quiet,
    grid: { stroke: border, width: 0.5 },
    ticks: { stroke: border, width: 0.5 },
    font: FONT,
  };
  const stepped = uPlot.paths.stepped!({ align: 1 });
  const series = (label: string, stroke: string, dash: number[]): uPlot.Series => ({
    label,
    stroke,
    dash,
    width: 2,
    fill: `color-mix(in srgb, ${stroke} 18%, transparent)`,
    paths: stepped,
    points: { show: false },
  });
  return {
    width,
    height: HEIGHT,
    padding: [8, 24, 0, 0],
    cursor: { show: false },
    legend: { show: true, live: false },
    scales: {
      x: { time: false, distr: 3, range: (_, min, max) => wideEnough(min, max) },
      y: { range: (_, __, max) => [0, Math.max(1, max)] },
    },
    axes: [
      {
        ...axis,
        ...{ size: 30, label: 'duration, on a logarithmic scale', labelSize: 18, labelFont: FONT },
        splits: (_, __, min, max) => roundNumbers(min, max),
        values: (_, ticks) => ticks.map((ms) => duration(ms)),
        filter: (_, ticks) => ticks,
      },
      {
        ...axis,
        ...{ size: 34, label: 'moves', labelSize: 18, labelFont: FONT },
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500],
        stroke: ink,
      },
    ],
    series: [{}, series('pause', user, []), series('interruption', vm, [5, 3])],
  };
}

/** Widens a range to a factor of ten at least, so that the axis has numbers. */
function wideEnough(min: number, max: number): [number, number] {
  const grow = Math.max(1.1, Math.sqrt(Math.max(1, LEAST_SPREAD / (max / min))));
  return [min / grow, max * grow];
}

/** 1, 2, 5, 10, 20, 50, … between two numbers. */
function roundNumbers(min: number, max: number): number[] {
  const numbers: number[] = [];
  for (let tens = 10 ** Math.floor(Math.log10(min)); tens <= max; tens *= 10) {
    numbers.push(...[1, 2, 5].map((n) => n * tens).filter((n) => n >= min && n <= max));
  }
  return numbers;
}

function spreadRows(moves: readonly MoveView[]): HTMLElement[] {
  if (moves.length === 0) return [el('caption', {}, 'No move has completed in the last hour.')];
  const head = ['', 'p50', 'p95', 'longest'].map((text) => el('th', { scope: 'col' }, text));
  const rows = MEASURES.map((measure) => {
    const values = valuesOf(moves, measure).sort((a, b) => a - b);
    const at = (share: number) => values[Math.min(values.length - 1, Math.floor(share * values.length))]!;
    const cells = [at(0.5), at(0.95), values.at(-1)!].map((ms) => el('td', {}, duration(ms)));
    return el('tr', {}, el('th', { scope: 'row' }, measure), ...cells);
  });
  return [el('thead', {}, el('tr', {}, ...head)), el('tbody', {}, ...rows)];
}
