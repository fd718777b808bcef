/**
 * Reads the synthetic traces that were also used to measure other simulators: `NAME.csv.gz` (step,user,x_m,y_m,nearest_site) and
 * `NAME.json.gz` (sites, and the number of changes of the nearest site). A cell is the area that is nearest to one site.
 */
import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { type CellTrace, cellTrace } from '../trace.ts';
import type { CellMap } from '../world.ts';
import { nearestCell } from './nearest-cell.ts';

/** A hop, in metres: the spacing of the sites. */
const HOP_M = 1000;

/** The content of the two files. */
export interface RandomWaypoint {
  readonly map: CellMap;
  readonly trace: CellTrace;
  /** The nearest sites according to the file, from 0, in the order of the trace's cells. The trace computes its cells from positions. */
  readonly stated: Int16Array;
  /** The number of changes of a user's nearest site, according to the file. */
  readonly statedChanges: number;
}

/**
 * Reads both files.
 * @param path without `.csv.gz`
 * @param every the number of steps in a slot; the slot has the position of its first step
 */
export async function readRandomWaypoint(path: string, every = 1): Promise<RandomWaypoint> {
  const unpacked = async (end: string) => gunzipSync(await readFile(path + end)).toString();
  const scenario = JSON.parse(await unpacked('.json.gz')) as {
    readonly sites: readonly { readonly x: number; readonly y: number }[];
    readonly users: number;
    readonly steps: number;
    readonly handovers_nearest_site: number;
  };
  const { users, steps, sites } = scenario;
  const map = {
    x: Float64Array.from(sites, ({ x }) => x / HOP_M),
    y: Float64Array.from(sites, ({ y }) => y / HOP_M),
  };
  const slots = Math.floor(steps / every);
  const cells = new Int16Array(users * slots);
  const stated = new Int16Array(users * slots);
  const rows = (await unpacked('.csv.gz')).trimEnd().split('\n').slice(1);
  for (const row of rows) {
    const [step, user, x, y, nearest] = row.split(',').map(Number) as [number, number, number, number, number];
    if (step % every !== 0 || step / every >= slots) continue;
    const i = (step / every) * users + user - 1;
    cells[i] = nearestCell(map, x / HOP_M, y / HOP_M);
    stated[i] = nearest - 1;
  }
  return { map, trace: cellTrace(users, slots, cells), stated, statedChanges: scenario.handovers_nearest_site };
}
