import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseConfig } from '#shared/config/load.ts';
import type { Data } from '#shared/events/index.ts';
import { Placement } from '#shared/policy/placement.ts';
import { positionAt, SPEC, START_MS } from '../unit/shared/policy/world.ts';
import { SITES } from './harness.ts';
import { SEED } from './seed.ts';

type Fix = Data<'location.reported.v1'>;
type Delivery = { readonly fix: Fix; readonly nowMs: number };

const STEP_MS = 200_000;
const config = parseConfig('', 'rule 4');
const { network, move, policy, limits } = config;
const { plausibility } = config.ingest;

/** Two users of one VM who travel along the line of sites, never faster than 60 m/s. */
const journey = fc.array(fc.integer({ min: -12, max: 12 }), { minLength: 40, maxLength: 200, size: 'max' });
const journeys = fc.tuple(journey, journey);

function cleanStream([a, b]: readonly (readonly number[])[]): Delivery[] {
  return [a!, b!]
    .flatMap((hops, i) => {
      let place = 0.3 + i * 0.2;
      return hops.map((hop, k) => {
        // A hop is in km, a place in units of 100 km. Users turn back at the ends of the line.
        place += Math.abs(place + hop / 100 - 1.5) > 1.6 ? -hop / 100 : hop / 100;
        const atMs = START_MS + k * STEP_MS + i * 70_000;
        return { fix: { vm: 'v0', user: `u${i}`, atMs, ...positionAt(place) }, nowMs: atMs };
      });
    })
    .sort((x, y) => x.nowMs - y.nowMs);
}

/** A disturbance between a receiver and the bus, made from a delivered fix. */
type Noise = (delivery: Delivery) => Fix;
const NOISE: Record<string, Noise> = {
  duplicate: ({ fix }) => fix,
  'duplicate with another position': ({ fix }) => ({ ...fix, ...positionAt(3) }),
  'out of order': ({ fix }) => ({ ...fix, atMs: fix.atMs - 1, ...positionAt(3) }),
  'out of order by far': ({ fix }) => ({ ...fix, atMs: fix.atMs - 300_000, ...positionAt(2) }),
  late: ({ fix }) => ({ ...fix, atMs: fix.atMs - 3_600_000, ...positionAt(3) }),
  'from the future': ({ fix }) => ({ ...fix, atMs: fix.atMs + 3_600_000 }),
  'without a position': ({ fix }) => ({ ...fix, atMs: fix.atMs + 1, lat: 0, lon: 0 }),
  'not on the earth': ({ fix }) => ({ ...fix, atMs: fix.atMs + 1, lat: 91, lon: 0 }),
  teleport: ({ fix }) => ({ ...fix, atMs: fix.atMs + 1_000, lat: fix.lat + 5 }),
  stranger: ({ fix }) => ({ ...fix, atMs: fix.atMs + 1, user: 'nobody', ...positionAt(3) }),
  'of no VM': ({ fix }) => ({ ...fix, atMs: fix.atMs + 1, vm: 'none', ...positionAt(3) }),
};
const noise = fc.array(fc.record({ after: fc.nat({ max: 400 }), kind: fc.constantFrom(...Object.keys(NOISE)) }), {
  minLength: 1,
  maxLength: 120,
  size: 'max',
});

/** Adds disturbances after their clean delivery, at the same instant. At most one teleport each: three that agree would count. */
function disturbed(clean: readonly Delivery[], list: readonly { after: number; kind: string }[]): Delivery[] {
  return clean.flatMap((delivery, i) => {
    const kinds = list.filter(({ after }) => after % clean.length === i).map(({ kind }) => kind);
    const once = kinds.filter((kind, k) => kind !== 'teleport' || kinds.indexOf(kind) === k);
    return [delivery, ...once.map((kind) => ({ fix: NOISE[kind]!(delivery), nowMs: delivery.nowMs }))];
  });
}

/** The decisions on a stream of positions. Each move takes ten seconds. */
function decisions(stream: readonly Delivery[]): Data<'placement.decided.v1'>[] {
  const placement = new Placement({
    ...{ network, move, limits, plausibility },
    policy: { ...policy, siteSilentMs: Number.POSITIVE_INFINITY },
  });
  const all: Data<'placement.decided.v1'>[] = [];
  const arrivals: { atMs: number; decided: Data<'placement.decided.v1'> }[] = [];
  const take = () => {
    for (const decided of placement.drain().decisions) {
      all.push(decided);
      if (decided.verdict === 'move') arrivals.push({ atMs: decided.atMs + 10_000, decided });
    }
  };
  const figures = { durationMs: 10_000, pauseMs: 50, interruptionMs: 60, bytes: 1e9, bytesByPath: {} };
  for (const [i, site] of SITES.entries()) {
    const uplinks = [{ provider: 'a', rateBps: 1e8 }];
    const data = { site, atMs: START_MS, ...positionAt(i), slots: 9, vms: [], draining: false, uplinks };
    placement.apply({ type: 'site.reported.v1', data }, START_MS);
  }
  placement.apply({ type: 'vm.declared.v1', data: { vm: 'v0', atMs: START_MS, home: 's0', spec: SPEC } }, START_MS);
  for (const user of ['u0', 'u1']) {
    placement.apply({ type: 'session.attached.v1', data: { vm: 'v0', user, atMs: START_MS, weight: 1 } }, START_MS);
  }
  for (const { fix, nowMs } of stream) {
    for (; arrivals[0] && arrivals[0].atMs <= nowMs; arrivals.shift()) {
      const { atMs, decided } = arrivals[0];
      const { decision: migration, vm, from, to } = decided;
      const moved = { migration, vm, from, to, atMs };
      placement.apply(
        {
          type: 'migration.completed.v1',
          data: { ...moved, figures: { ...figures, rounds: 3, subflows: 1, degraded: [] } },
        },
        atMs,
      );
    }
    placement.advance(nowMs);
    placement.location(fix, nowMs);
    take();
  }
  return all;
}

describe('rule 4: a location event counts once', () => {
  test('late, repeated, out-of-order and impossible positions change no decision', () => {
    let decided = 0;
    fc.assert(
      fc.property(journeys, noise, (hops, list) => {
        const clean = cleanStream(hops);
        const expected = decisions(clean);
        decided += expected.length;
        expect(decisions(disturbed(clean, list))).toEqual(expected);
      }),
      { seed: SEED, numRuns: 200 },
    );
    expect(decided, 'users caused decisions').toBeGreaterThan(100);
  });

  test('each kind of disturbance is refused under its reason', () => {
    const refusals: Record<string, string> = {};
    const clean = cleanStream([[0, 0], [0]]);
    for (const [kind, make] of Object.entries(NOISE)) {
      const placement = new Placement({ network, move, limits, plausibility, policy });
      const home = { site: 's0', atMs: START_MS, ...positionAt(0), slots: 9, vms: [], draining: false, uplinks: [] };
      placement.apply({ type: 'site.reported.v1', data: home }, START_MS);
      placement.apply({ type: 'vm.declared.v1', data: { vm: 'v0', atMs: START_MS, home: 's0', spec: SPEC } }, START_MS);
      placement.apply(
        { type: 'session.attached.v1', data: { vm: 'v0', user: 'u0', atMs: START_MS, weight: 1 } },
        START_MS,
      );
      const first = clean[0]!;
      placement.location(first.fix, first.nowMs);
      // One second later, because a position ahead of the clock would get the instant of the first one.
      refusals[kind] = placement.location(make(first), first.nowMs + 1_000);
    }
    expect(refusals).toEqual({
      duplicate: 'duplicate',
      'duplicate with another position': 'duplicate',
      'out of order': 'out-of-order',
      'out of order by far': 'out-of-order',
      late: 'stale',
      'from the future': 'future',
      'without a position': 'null-island',
      'not on the earth': 'out-of-range',
      teleport: 'teleport',
      stranger: 'unattached',
      'of no VM': 'unknown-vm',
    });
  });
});
