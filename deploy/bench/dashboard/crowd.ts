/** Many users who move over a grid of sites. They report one after the other, evenly over ten seconds. */
import type { Location } from '#services/ingest/locations.ts';
import type { Ingest } from '#services/ingest/service.ts';
import { DEFAULT_SITE } from '#services/replay/site-lists.ts';
import { KM_PER_DEGREE } from '#shared/geo/distance.ts';
import { seededRandom } from '#shared/random/random.ts';

/** A position, in degrees. */
export interface Place {
  readonly lat: number;
  readonly lon: number;
}

export interface Crowd {
  /** Starts the reports. @returns a function that stops them */
  begin(): () => Promise<void>;
  /** Reports the position of a user who has never reported before. */
  newcomer(vm: string, place: Place): Promise<void>;
  /** An empty place beside the area, a different one for each number. */
  empty(i: number): Place;
}

/** The VM of all newcomers. */
export const VM = 'vm-newcomers';
const COLUMNS = 5;
const ROWS = 4;
const SPACING_DEGREES = 1;
const CORNER: Place = { lat: 46, lon: 4 };
const REPORT_MS = 10_000;
const TICK_MS = 100;
const SPEC = {
  ramBytes: 2 ** 30,
  dirtyRateBps: 5e6,
  workingSetBytes: 5e7,
  diskBytes: 0,
  downtimeLimitMs: 300,
  targetRttMs: 10,
};

/** Twenty sites about a hundred kilometres apart. */
export function gridOfSites() {
  return Array.from({ length: COLUMNS * ROWS }, (_, i) => ({
    site: `site-${String(i + 1).padStart(2, '0')}`,
    lat: CORNER.lat + Math.floor(i / COLUMNS) * SPACING_DEGREES,
    lon: CORNER.lon + (i % COLUMNS) * SPACING_DEGREES,
    slots: DEFAULT_SITE.slots,
    uplinks: DEFAULT_SITE.uplinks,
  }));
}

/** Declares a VM for each of this number of users, at a site near the user's first position. */
export async function createCrowd(ingest: Ingest, users: number, seed: number): Promise<Crowd> {
  const random = seededRandom(seed);
  const anywhere = () => ({
    lat: CORNER.lat + random.next() * (ROWS - 1) * SPACING_DEGREES,
    lon: CORNER.lon + random.next() * (COLUMNS - 1) * SPACING_DEGREES,
  });
  const walkers = Array.from({ length: users }, (_, i) => ({
    user: `user-${i}`,
    at: anywhere(),
    to: anywhere(),
    stepDegrees: ((1 + 29 * random.next()) * REPORT_MS) / 1e6 / KM_PER_DEGREE,
  }));
  for (const { user, at } of walkers) {
    const row = Math.round((at.lat - CORNER.lat) / SPACING_DEGREES);
    const column = Math.round((at.lon - CORNER.lon) / SPACING_DEGREES);
    const home = `site-${String(row * COLUMNS + column + 1).padStart(2, '0')}`;
    await ingest.declareVm(`vm-${user}`, home, SPEC);
    await ingest.attach(`vm-${user}`, user, 1);
  }
  await ingest.declareVm(VM, 'site-01', SPEC);

  const walk = (walker: (typeof walkers)[number]) => {
    const { at, to, stepDegrees } = walker;
    const left = Math.hypot(to.lat - at.lat, to.lon - at.lon);
    if (left <= stepDegrees) walker.to = anywhere();
    else {
      const share = stepDegrees / left;
      walker.at = { lat: at.lat + (to.lat - at.lat) * share, lon: at.lon + (to.lon - at.lon) * share };
    }
    return { user: walker.user, atMs: Date.now(), ...walker.at };
  };
  return {
    begin() {
      let next = 0;
      let due = 0;
      let saying = Promise.resolve();
      const tick = () => {
        due += (users * TICK_MS) / REPORT_MS;
        const fixes: Location[] = [];
        for (; due >= 1; due--) {
          fixes.push(walk(walkers[next]!));
          next = (next + 1) % users;
        }
        saying = saying.then(async () => void (await ingest.locations(fixes)));
      };
      const timer = setInterval(tick, TICK_MS);
      return async () => {
        clearInterval(timer);
        await saying;
      };
    },
    async newcomer(vm, place) {
      const user = `newcomer-${place.lat}`;
      await ingest.attach(vm, user, 1);
      await ingest.locations([{ user, atMs: Date.now(), ...place }]);
    },
    // To the west of all users, inside the first view of a page.
    empty: (i) => ({ lat: CORNER.lat + 0.3 + i * 0.1, lon: CORNER.lon - 0.35 }),
  };
}
