/**
 * The shipped scenario: a Monday morning on the rail corridor between Boston and Washington. It is synthetic: it contains no recorded
 * positions, and a seed determines the journeys. Only stations and journey times are those of the real corridor (`corridor.ts`).
 */
import { getDistance } from 'geolib';
import type { SiteSpec } from '#services/replay/site-lists.ts';
import type { VmSpec } from '#shared/events/index.ts';
import { type Random, seededRandom } from '#shared/random/random.ts';
import { corridor, type Point } from './corridor.ts';
import { drawLog, pick } from './draws.ts';
import { drawJourneys, type Journey, placeIn } from './journeys.ts';
import { positionsOf, type Traveller } from './positions.ts';
import type { Scenario, ScenarioVm } from './scenario.ts';

/** 2026-03-02, a Monday, 06:00 in UTC-5. */
const START_MS = Date.UTC(2026, 2, 2, 11);
const MINUTES = 300;

const DESCRIPTION =
  'Synthetic: 130 commuters and travellers with 100 VMs on the rail corridor between Boston and Washington, a Monday ' +
  'from 06:00 to 11:00. Stations and journey times are those of the real corridor, rounded; the rest is made up.';

const MB = 1_000_000;
const GIB = 1024 ** 3;

/** Uplinks of about 1 Gbit/s. Their rates differ, so that some moves take longer than others. */
const SITES: readonly SiteSpec[] = [
  site('boston', 42.36, -71.06, 125 * MB, 125 * MB),
  site('providence', 41.82, -71.41, 100 * MB, 110 * MB),
  site('new-haven', 41.31, -72.92, 110 * MB, 95 * MB),
  site('new-york', 40.74, -74.0, 125 * MB, 125 * MB),
  site('philadelphia', 39.95, -75.16, 120 * MB, 125 * MB),
  site('baltimore', 39.29, -76.61, 105 * MB, 115 * MB),
  site('washington', 38.9, -77.03, 125 * MB, 120 * MB),
];

function site(name: string, lat: number, lon: number, rateA: number, rateB: number): SiteSpec {
  const uplinks = [
    { provider: 'a', rateBps: rateA },
    { provider: 'b', rateBps: rateB },
  ];
  return { site: name, lat, lon, slots: 60, uplinks };
}

/** The number of users of each VM: 80 VMs have one user, and 20 VMs have two to four. 130 users share 100 VMs. */
const GROUPS: readonly number[] = [
  ...new Array<number>(80).fill(1),
  ...new Array<number>(12).fill(2),
  ...new Array<number>(6).fill(3),
  ...new Array<number>(2).fill(4),
];

/**
 * Generates five hours of commuters and travellers. Each user is at home, on a train or at the destination. Many journeys pass several
 * sites. Some journeys are so short that no VM should follow.
 * @param seed the same seed gives the same scenario, byte by byte
 */
export function northeastCorridor(seed = 1): Scenario {
  const random = seededRandom(seed);
  const corridorAt = corridor();
  const travellers: Traveller[] = [];

  const vms = GROUPS.map((size, i): ScenarioVm => {
    const group = drawGroup(random, size);
    const sessions = group.map((journeys) => {
      const user = numbered('user', travellers.length + 1);
      travellers.push({ user, journeys });
      return { user, weight: random.next() < 0.9 ? 1 : 2 };
    });
    const start = corridorAt(placeIn(group[0]!, 0).place);
    return { vm: numbered('vm', i + 1), home: nearestSite(start), spec: drawSpec(random), sessions };
  });

  const endMs = START_MS + MINUTES * 60_000;
  const positions = travellers.map((traveller) => positionsOf(random, corridorAt, traveller, START_MS, endMs));
  const fixes = positions.flatMap((one) => one.fixes).sort((a, b) => a.atMs - b.atMs);
  return {
    name: 'northeast-corridor',
    description: DESCRIPTION,
    startMs: START_MS,
    endMs,
    sites: SITES,
    vms,
    fixes: () => fixes,
    wildPoints: positions.reduce((sum, { wild }) => sum + wild, 0),
    duplicatePoints: positions.reduce((sum, { duplicates }) => sum + duplicates, 0),
  };
}

/** Draws the journeys of the users of one VM. In every second group, on average, all users travel together. */
function drawGroup(random: Random, size: number): (readonly Journey[])[] {
  const together = size > 1 && random.next() < 0.5;
  const first = drawJourneys(random, MINUTES);
  return Array.from({ length: size }, (_, i) => (i === 0 || together ? first : drawJourneys(random, MINUTES)));
}

function drawSpec(random: Random): VmSpec {
  return {
    ramBytes: pick(random, [1, 1, 2, 2, 4, 8]) * GIB,
    dirtyRateBps: Math.round(drawLog(random, 1, 40)) * MB,
    workingSetBytes: Math.round(drawLog(random, 20, 400)) * MB,
    diskBytes: 0,
    downtimeLimitMs: 300,
    targetRttMs: 10,
  };
}

function nearestSite(point: Point): string {
  return SITES.reduce((a, b) => (getDistance(point, b) < getDistance(point, a) ? b : a)).site;
}

/** `vm`, 7 → `vm-007` */
function numbered(kind: string, n: number): string {
  return `${kind}-${String(n).padStart(3, '0')}`;
}
