/** The simulation adds up the cost of distance. The expected costs are computed by hand. */
import { beforeEach, describe, expect, test } from 'vitest';
import { parseConfig } from '#shared/config/load.ts';
import { KM_PER_DEGREE } from '#shared/geo/distance.ts';
import { advanceTrack } from '#shared/geo/plausibility.ts';
import { SiteTable } from '#shared/policy/state/sites.ts';
import type { Session, Vm } from '#shared/policy/state/state.ts';
import { newSession } from '#shared/policy/state/vm.ts';
import { Serving } from '#simulations/serving.ts';
import { line, START_MS } from '../shared/policy/world.ts';

const { network, policy, ingest } = parseConfig('', 'test');
const HOUR_MS = 3_600_000;
const KM = 100;
/** A position this far north of the first site. */
const northKm = (km: number) => ({ lat: km / KM_PER_DEGREE, lon: 0 });
/** Access and target are both 10 ms and cancel out. The distance and the transit remain. */
const excessMs = (km: number, atNearest: boolean) =>
  km * network.msPerKm * network.detour + (atNearest ? 0 : network.transitMs);

let sites: SiteTable;
let vm: Vm;
let serving: Serving;
/** The calls of the watcher: site, end in seconds, weighted seconds. */
let servedCalls: [string, number, number][];

const newServing = () =>
  new Serving({
    ...{ sites, network, silentMs: policy.sessionTimeoutMs, lateMs: ingest.plausibility.maxAgeMs },
    watcher: {
      stayBegan() {},
      served: ({ site }, atMs, userS) => void servedCalls.push([site.id, (atMs - START_MS) / 1000, userS]),
    },
  });

/** Sites `s0`, `s1`, `s2` a hundred kilometres apart; `v` at `s0`, with the user `ann`. */
beforeEach(() => {
  sites = new SiteTable(network);
  for (const i of [0, 1, 2]) {
    const where = { site: `s${i}`, ...northKm(i * KM), slots: 9, uplinks: [{ provider: 'a', rateBps: 1e8 }] };
    sites.report({ ...where, atMs: START_MS, vms: [], draining: false });
  }
  servedCalls = [];
  const l = line(3);
  l.vm('v', 's0');
  vm = { ...l.world.placement.vms.get('v')!, home: sites.named('s0'), sessions: [newSession('ann', 1, START_MS)] };
  serving = newServing();
});

const ann = () => vm.sessions[0]!;
/** Updates a session as placement does for a position that counts. */
function place(session: Session, afterMs: number, km: number): void {
  advanceTrack(session.track, { atMs: START_MS + afterMs, ...northKm(km) });
  session.near = Math.min(2, Math.round(km / KM));
}
function report(afterMs: number, km: number, session = ann()): void {
  place(session, afterMs, km);
  serving.located(serving.accountOf(vm), session);
}
/** Switches the VM over, as placement and the engine do. */
function switchTo(site: string, afterMs: number): void {
  serving.switched(vm, sites.named(site), START_MS + afterMs);
  vm.home = sites.named(site);
}
const userS = () => serving.totals.weightedMs / 1000;

describe('a user who rests for an hour', () => {
  test.each([0, 30, 70, 200])('%d km from the VM costs the excess of 3600 seconds', (km) => {
    for (let afterMs = 0; afterMs <= HOUR_MS; afterMs += 60_000) report(afterMs, km);
    expect(userS()).toBe(3600);
    expect(serving.totals.userMs).toBeCloseTo(3600 * excessMs(km, km < KM / 2), 3);
  });

  test('costs by weight', () => {
    ann().weight = 2.5;
    report(0, 70);
    report(60_000, 70);
    expect(userS()).toBe(150);
    expect(serving.totals.userMs).toBeCloseTo(150 * excessMs(70, false), 6);
  });

  test('costs nothing below the target', () => {
    vm.spec = { ...vm.spec, targetRttMs: 100 };
    report(0, 200);
    report(60_000, 200);
    expect(serving.totals).toEqual({ userMs: 0, weightedMs: 60_000 });
  });
});

test('each leg of a travelling user has the cost of its beginning', () => {
  const kms = [0, 20, 40, 60, 120, 160, 90, 10];
  for (const [minute, km] of kms.entries()) report(minute * 60_000, km);
  const expected = kms.slice(0, -1).reduce((total, km) => total + 60 * excessMs(km, km < KM / 2), 0);
  expect(serving.totals.userMs).toBeCloseTo(expected, 3);
});

test('the time of a silent user counts up to the session time-out', () => {
  report(0, 70);
  report(5 * HOUR_MS, 70);
  const seconds = policy.sessionTimeoutMs / 1000;
  expect(userS()).toBe(seconds);
  expect(serving.totals.userMs).toBeCloseTo(seconds * excessMs(70, false), 6);
});

test('the time after the last position does not count', () => {
  report(0, 90);
  switchTo('s1', 40_000);
  switchTo('s2', 80_000);
  expect(serving.totals).toEqual({ userMs: 0, weightedMs: 0 });
  expect(servedCalls).toEqual([]);
});

describe('a switch-over', () => {
  test('counts from its instant, when the next position arrives', () => {
    report(0, 90);
    switchTo('s1', 40_000);
    report(60_000, 90);
    expect(userS()).toBe(60);
    expect(serving.totals.userMs).toBeCloseTo(40 * excessMs(90, false) + 20 * excessMs(10, true), 6);
    expect(servedCalls).toEqual([
      ['s0', 40, 40],
      ['s1', 60, 20],
    ]);
  });

  test('does not restart the time-out of a silent user', () => {
    const timeoutS = policy.sessionTimeoutMs / 1000;
    report(0, 90);
    switchTo('s1', 600_000);
    // By then the session has timed out.
    switchTo('s2', policy.sessionTimeoutMs + 60_000);
    report(5 * HOUR_MS, 90);
    expect(userS()).toBe(timeoutS);
    expect(servedCalls).toEqual([
      ['s0', 600, 600],
      ['s1', timeoutS, timeoutS - 600],
    ]);
  });

  test('after another one counts the time at each site', () => {
    report(0, 90);
    switchTo('s1', 10_000);
    switchTo('s2', 30_000);
    report(60_000, 90);
    expect(servedCalls).toEqual([
      ['s0', 10, 10],
      ['s1', 30, 20],
      ['s2', 60, 30],
    ]);
  });

  test('at the instant of a position counts no further time at the old site', () => {
    report(0, 90);
    report(60_000, 90);
    switchTo('s1', 60_000);
    report(120_000, 90);
    expect(servedCalls).toEqual([
      ['s0', 60, 60],
      ['s1', 120, 60],
    ]);
  });

  test('before the first position does not count', () => {
    switchTo('s1', 0);
    report(10_000, 90);
    report(20_000, 90);
    expect(servedCalls).toEqual([['s1', 20, 10]]);
  });
});

describe('of several users', () => {
  let bob: Session;
  beforeEach(() => {
    vm.sessions.push(newSession('bob', 2, START_MS), newSession('eve', 5, START_MS));
    bob = vm.sessions[1]!;
  });

  test('each counts from position to position, and one without a position does not count', () => {
    report(0, 10);
    report(5_000, 150, bob);
    report(10_000, 10);
    // Bob reports no position now.
    report(20_000, 10);
    expect(serving.totals.userMs).toBeCloseTo(20 * excessMs(10, true), 6);
    expect(userS()).toBe(20);
    report(25_000, 150, bob);
    expect(serving.totals.userMs).toBeCloseTo(20 * excessMs(10, true) + 40 * excessMs(150, false), 6);
    expect(userS()).toBe(20 + 40);
  });

  test('a silent one counts up to the time-out, although others report', () => {
    report(0, 150, bob);
    for (let afterMs = 0; afterMs <= HOUR_MS; afterMs += 60_000) report(afterMs, 10);
    report(HOUR_MS, 150, bob);
    expect(userS()).toBe(3600 + (2 * policy.sessionTimeoutMs) / 1000);
  });

  test('one with a late position counts with the site of the VM at that time', () => {
    report(0, 10);
    switchTo('s1', 40_000);
    report(60_000, 10);
    servedCalls = [];
    report(20_000, 150, bob);
    report(70_000, 150, bob);
    expect(servedCalls).toEqual([
      ['s0', 40, 40],
      ['s1', 70, 60],
    ]);
  });

  test('the number of kept stays does not grow with the moves of a VM', () => {
    report(0, 150, bob);
    for (let minute = 0; minute < 600; minute++) {
      report(minute * 60_000, 10);
      switchTo(minute % 2 === 0 ? 's1' : 's0', minute * 60_000 + 30_000);
    }
    // Stays are kept for the session time-out and the largest delay of a position.
    expect(serving.accountOf(vm).stays.length).toBeLessThan(30);
    report(600 * 60_000, 150, bob);
    expect(userS()).toBe(599 * 60 + (2 * policy.sessionTimeoutMs) / 1000);
  });
});
