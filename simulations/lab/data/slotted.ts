/** Converts positions to a trace of cells, for any trace and any list of sites that `tagalong simulate` takes. */
import type { SiteSpec } from '#services/replay/site-lists.ts';
import type { Trace } from '#services/replay/traces/trace.ts';
import { KM_PER_DEGREE } from '#shared/geo/distance.ts';
import { ABSENT, type CellTrace, cellTrace } from '../trace.ts';
import type { CellMap } from '../world.ts';
import { nearestCell } from './nearest-cell.ts';

/** The parameters of the conversion. */
export interface Slotting {
  readonly slotMs: number;
  /** A user without a position for longer than this is absent. */
  readonly silentMs: number;
  /** A position farther than this from every cell is ignored. */
  readonly farthestHops: number;
}

/** The cells in a plane, and the conversion from degrees to hops in this plane. The x axis points north, the y axis east. */
export interface Plane {
  readonly map: CellMap;
  x(lat: number): number;
  y(lon: number): number;
}

/** A plane with a cell at each site. @param hopKm the length of a hop */
export function planeOf(sites: readonly SiteSpec[], hopKm: number): Plane {
  const shrink = Math.cos((sites[0]!.lat * Math.PI) / 180);
  const x = (lat: number) => (lat * KM_PER_DEGREE) / hopKm;
  const y = (lon: number) => (lon * KM_PER_DEGREE * shrink) / hopKm;
  const map = {
    x: Float64Array.from(sites, ({ lat }) => x(lat)),
    y: Float64Array.from(sites, ({ lon }) => y(lon)),
  };
  return { map, x, y };
}

/** Converts a trace. Each slot has the user's last position before its end. @throws TagalongError the errors of reading the trace */
export async function slotted(trace: Trace, plane: Plane, slotting: Slotting): Promise<CellTrace> {
  const { slotMs, silentMs, farthestHops } = slotting;
  const fixes = new Map<string, { atMs: number[]; cell: number[] }>();
  let [startMs, endMs] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for await (const batch of trace.batches()) {
    for (const { user, atMs, lat, lon } of batch) {
      const [x, y] = [plane.x(lat), plane.y(lon)];
      const cell = nearestCell(plane.map, x, y);
      if (Math.hypot(plane.map.x[cell]! - x, plane.map.y[cell]! - y) > farthestHops) continue;
      const own = fixes.get(user) ?? { atMs: [], cell: [] };
      fixes.set(user, own);
      own.atMs.push(atMs);
      own.cell.push(cell);
      startMs = Math.min(startMs, atMs);
      endMs = Math.max(endMs, atMs);
    }
  }
  const slots = Math.floor((endMs - startMs) / slotMs) + 1;
  const cells = new Int16Array(slots * fixes.size).fill(ABSENT);
  [...fixes.values()].forEach(({ atMs, cell }, user) => {
    let last = -1;
    for (let slot = 0; slot < slots; slot++) {
      const untilMs = startMs + (slot + 1) * slotMs;
      while (last + 1 < atMs.length && atMs[last + 1]! < untilMs) last++;
      if (last >= 0 && untilMs - atMs[last]! <= silentMs) cells[slot * fixes.size + user] = cell[last]!;
    }
  });
  return cellTrace(fixes.size, slots, cells);
}
