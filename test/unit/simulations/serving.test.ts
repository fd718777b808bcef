/** What distance costs, computed by hand and added up by the simulation. */
import { beforeEach, describe, expect, test } from 'vitest';
import { parseConfig } from '#shared/config/load.ts';
import { KM_PER_DEGREE } from '#shared/geo/distance.ts';
import { follow } from '#shared/geo/plausibility.ts';
import { SiteTable } from '#shared/policy/sites.ts';
import { newSession, type Session, type Vm } from '#shared/policy/vm.ts';
import { Serving } from '#simulations/serving.ts';
import { line, START_MS } from '../policy/world.ts';

const { network, policy } = parseConfig('', 'test');
const HOUR_MS = 3_600_000;
const KM = 100;
/** From the site on, north. */
const northKm = (km: number) => ({ lat: km / KM_PER_DEGREE, lon: 0 });
/** Access and target are both 10 ms: what remains is the distance, and the way out of the nearest site. */
const excessMs = (km: number, atNearest: boolean) =>
  km * network.msPerKm * network.detour + (atNearest ? 0 : network.transitMs);

let sites: SiteTable;
let vm: Vm;
let serving: Serving;

/** Sites `s0`, `s1`, `s2` a hundred kilometres apart; `v` at `s0`, with the user `ann`. */
beforeEach(() => {
  sites = new SiteTable(network);
  for (const i of [0, 1, 2]) {
    const where = { site: `s${i}`, ...northKm(i * KM), slots: 9, uplinks: [{ provider: 'a', rateBps: 1e8 }] };
    sites.report({ ...where, atMs: START_MS, vms: [], draining: false });
  }
  const l = line(3);
  l.vm('v', 's0');
  vm = { ...l.world.placement.vms.get('v')!, home: sites.named('s0'), sessions: [newSession('ann', 1, START_MS)] };
  serving = new Serving(sites, network, policy.sessionTimeoutMs);
});

const ann = () => vm.sessions[0]!;
/** As placement leaves a session behind when a position has counted. */
function place(session: Session, afterMs: number, km: number): void {
  follow(session.track, { atMs: START_MS + afterMs, ...northKm(km) });
  session.near = Math.min(2, Math.round(km / KM));
}
function report(afterMs: number, km: number, session = ann()): void {
  place(session, afterMs, km);
  serving.turn(vm, START_MS + afterMs);
}

describe('a user who stands still for an hour', () => {
  test.each([0, 30, 70, 200])('%d km from the VM costs the excess of 3600 seconds', (km) => {
    for (let afterMs = 0; afterMs <= HOUR_MS; afterMs += 60_000) report(afterMs, km);
    expect(serving.totals.userS).toBeCloseTo(3600, 6);
    expect(serving.totals.userMs).toBeCloseTo(3600 * excessMs(km, km < KM / 2), 3);
  });

  test('costs by weight', () => {
    ann().weight = 2.5;
    report(0, 70);
    report(60_000, 70);
    expect(serving.totals.userS).toBeCloseTo(150, 6);
    expect(serving.totals.userMs).toBeCloseTo(150 * excessMs(70, false), 6);
  });

  test('costs nothing below the target', () => {
    vm.spec = { ...vm.spec, targetRttMs: 100 };
    report(0, 200);
    report(60_000, 200);
    expect(serving.totals).toEqual({ userMs: 0, userS: 60 });
  });
});

test('on the way each stretch costs what its beginning costs', () => {
  const kms = [0, 20, 40, 60, 120, 160, 90, 10];
  for (const [minute, km] of kms.entries()) report(minute * 60_000, km);
  const expected = kms.slice(0, -1).reduce((total, km) => total + 60 * excessMs(km, km < KM / 2), 0);
  expect(serving.totals.userMs).toBeCloseTo(expected, 3);
});

test('time in which nothing is heard of a user counts up to the time-out', () => {
  report(0, 70);
  report(5 * HOUR_MS, 70);
  const seconds = policy.sessionTimeoutMs / 1000;
  expect(serving.totals.userS).toBeCloseTo(seconds, 6);
  expect(serving.totals.userMs).toBeCloseTo(seconds * excessMs(70, false), 6);
});

test('from the switch-over on the user is served from the new home', () => {
  report(0, 90);
  // Forty seconds later, between two positions.
  vm.home = sites.named('s1');
  serving.turn(vm, START_MS + 40_000);
  report(60_000, 90);
  expect(serving.totals.userS).toBeCloseTo(60, 6);
  expect(serving.totals.userMs).toBeCloseTo(40 * excessMs(90, false) + 20 * excessMs(10, true), 6);
});

test('of several users each counts from where they are, and one without a position not at all', () => {
  vm.sessions.push(newSession('bob', 2, START_MS), newSession('eve', 5, START_MS));
  const [, bob] = vm.sessions;
  report(0, 10);
  place(bob!, 0, 150);
  serving.turn(vm, START_MS);
  report(10_000, 10);
  expect(serving.totals.userS).toBeCloseTo(30, 6);
  expect(serving.totals.userMs).toBeCloseTo(10 * excessMs(10, true) + 20 * excessMs(150, false), 6);
});
