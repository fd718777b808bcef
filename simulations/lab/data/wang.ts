/**
 * The set-up of S. Wang et al. (IEEE/ACM ToN 27(3), 2019): a day of San Francisco taxis, 60 s a slot, in 209 cells. The
 * files are not part of the repository: `cells.csv` (cell,lat,lon) and `cell-of-user-by-slot.csv.gz` (slot,user,cell).
 */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import { ABSENT, type CellTrace, cellTrace } from '../trace.ts';
import type { CellMap } from '../world.ts';

/** A hop, in degrees of latitude and longitude alike, as the authors measure. */
const HOP_DEGREES = 0.01;

/** @param folder with the two files */
export async function readWang(folder: string): Promise<{ map: CellMap; trace: CellTrace }> {
  const rows = (await readFile(`${folder}/cells.csv`, 'utf8')).trim().split('\n').slice(1);
  const places = rows.map((row) => row.split(',').map(Number));
  const map = {
    x: Float64Array.from(places, ([, lat]) => lat! / HOP_DEGREES),
    y: Float64Array.from(places, ([, , lon]) => lon! / HOP_DEGREES),
  };
  return { map, trace: await readCells(`${folder}/cell-of-user-by-slot.csv.gz`) };
}

async function readCells(path: string): Promise<CellTrace> {
  const slotOf: number[] = [];
  const userOf: number[] = [];
  const cellOf: number[] = [];
  for await (const line of createInterface({ input: createReadStream(path).pipe(createGunzip()) })) {
    const [slot, user, cell] = line.split(',').map(Number);
    if (!Number.isInteger(slot)) continue; // the header
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
