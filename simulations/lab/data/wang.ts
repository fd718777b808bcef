/**
 * Reads the set-up of S. Wang et al. (IEEE/ACM ToN 27(3), 2019): a day of San Francisco taxis in 209 cells, with slots of 60 s. The
 * repository does not contain the files: `cells.csv` (cell,lat,lon) and `cell-of-user-by-slot.csv.gz` (slot,user,cell).
 */
import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { ABSENT, type CellTrace, cellTrace } from '../trace.ts';
import type { CellMap } from '../world.ts';
import type { Plane } from './slotted.ts';

/** A hop, in degrees. Like the authors, this ignores that a degree of longitude is shorter than one of latitude. */
const HOP_DEGREES = 0.01;

/** @param folder the folder with both files */
export async function readWang(folder: string): Promise<{ plane: Plane; trace: CellTrace }> {
  return {
    plane: await wangPlane(`${folder}/cells.csv`),
    trace: await readCells(`${folder}/cell-of-user-by-slot.csv.gz`),
  };
}

/** Reads the cells. */
async function wangPlane(path: string): Promise<Plane> {
  const rows = (await readFile(path, 'utf8')).trim().split('\n').slice(1);
  const places = rows.map((row) => row.split(',').map(Number));
  const x = (lat: number) => lat / HOP_DEGREES;
  const y = (lon: number) => lon / HOP_DEGREES;
  const map: CellMap = {
    x: Float64Array.from(places, ([, lat]) => x(lat!)),
    y: Float64Array.from(places, ([, , lon]) => y(lon!)),
  };
  return { map, x, y };
}

async function readCells(path: string): Promise<CellTrace> {
  const slotOf: number[] = [];
  const userOf: number[] = [];
  const cellOf: number[] = [];
  const lines = gunzipSync(await readFile(path))
    .toString()
    .split('\n');
  for (const line of lines) {
    const [slot, user, cell] = line.split(',').map(Number);
    if (line === '' || Number.isNaN(slot)) continue; // the header, and the end of the file
    slotOf.push(slot!);
    userOf.push(user! - 1);
    cellOf.push(cell! - 1);
  }
  const slots = slotOf.reduce((a, b) => Math.max(a, b), -1) + 1;
  const users = userOf.reduce((a, b) => Math.max(a, b), -1) + 1;
  const cells = new Int16Array(slots * users).fill(ABSENT);
  slotOf.forEach((slot, i) => {
    cells[slot * users + userOf[i]!] = cellOf[i]!;
  });
  return cellTrace(users, slots, cells);
}
