/**
 * Made-up traces of the job that other simulators were measured with: `NAME.csv.gz` (step,user,x_m,y_m,nearest_site) and
 * `NAME.json.gz` (sites, and how often the nearest one changes). A cell is what is nearest to one site.
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
  /** Nearest site by the file, from 0, ordered as the trace's cells, which are computed from the positions. */
  readonly stated: Int16Array;
  /** How often a user's nearest site changes, by the file. */
  readonly statedChanges: number;
}

/**
 * @param path without `.csv.gz`
 * @param every how many steps make a slot, which has the position of its first step
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
