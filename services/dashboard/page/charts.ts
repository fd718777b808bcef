/** How long VMs stood still and clients waited, in moves of the last hour: two histograms over a logarithm, and figures. */
import uPlot from 'uplot';
import { duration } from '#shared/format.ts';
import type { MoveView } from '../wire.ts';
import { el, fill } from './dom.ts';
import { palette } from './palette.ts';
import type { World } from './world.ts';

/** Bins in a tenfold. */
const BINS = 10;
const MEASURES = ['pause', 'interruption'] as const;
type Measure = (typeof MEASURES)[number];

export interface Charts {
  update(world: World): void;
  /** Colours have changed. */
  repaint(): void;
}

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
    // Where moves end all the time, the chart would change too fast to be read.
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
/** Left and right of what is in a section, as the style sheet has it. */
const MARGIN = 28;

function valuesOf(moves: readonly MoveView[], measure: Measure): number[] {
  return moves.map(({ figures }) => (measure === 'pause' ? figures!.pauseMs : figures!.interruptionMs));
}

/** Edges in milliseconds, and how many of each measure are in the bin that begins there. */
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
        ...{ size: 30, label: 'length, on a logarithmic scale', labelSize: 18, labelFont: FONT },
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

/** At least a tenfold, so that there are numbers to read off. */
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
  if (moves.length === 0) return [el('caption', {}, 'No move has been completed.')];
  const head = ['', 'p50', 'p95', 'longest'].map((text) => el('th', { scope: 'col' }, text));
  const rows = MEASURES.map((measure) => {
    const values = valuesOf(moves, measure).sort((a, b) => a - b);
    const at = (share: number) => values[Math.min(values.length - 1, Math.floor(share * values.length))]!;
    const cells = [at(0.5), at(0.95), values.at(-1)!].map((ms) => el('td', {}, duration(ms)));
    return el('tr', {}, el('th', { scope: 'row' }, measure), ...cells);
  });
  return [el('thead', {}, el('tr', {}, ...head)), el('tbody', {}, ...rows)];
}
