import { getDistance } from 'geolib';
import { describe, expect, it } from 'vitest';
import type { Fix } from '#services/replay/traces/fix.ts';
import { faultIn } from '#shared/events/index.ts';
import { corridor, STATIONS } from '#simulations/scenarios/corridor.ts';
import { northeastCorridor } from '#simulations/scenarios/northeast-corridor.ts';

/** True if a position is in the box of the stations, with a margin. */
const inBox = ({ lat, lon }: Fix) => lat > 38.8 && lat < 42.45 && lon > -77.15 && lon < -70.95;

/** A fast approximation for short distances. */
function metresBetween(a: Fix, b: Fix): number {
  const east = (b.lon - a.lon) * Math.cos((a.lat * Math.PI) / 180);
  return Math.hypot(b.lat - a.lat, east) * 111_320;
}

describe('the corridor', () => {
  it('passes the stations on time', () => {
    const at = corridor();
    for (const station of STATIONS) expect(getDistance(at(station.minute), station)).toBeLessThan(100);
  });

  it('has the speed of a train everywhere', () => {
    const at = corridor();
    const end = STATIONS.at(-1)!.minute;
    for (let minute = 0.5; minute <= end; minute += 0.5) {
      const kmh = (getDistance(at(minute - 0.5), at(minute), 0.1) / 1000) * 120;
      expect(kmh).toBeGreaterThan(40);
      expect(kmh).toBeLessThan(260);
    }
  });
});

it('a seed always gives the same scenario, byte by byte; another seed gives another', () => {
  const bytes = (seed: number) => {
    const scenario = northeastCorridor(seed);
    return JSON.stringify([scenario, [...scenario.fixes()]]);
  };
  const first = bytes(7);
  const again = bytes(7);
  expect(first === again).toBe(true);
  expect(first === bytes(8)).toBe(false);
});

describe.each([1, 42])('the north-east corridor, seed %i', (seed) => {
  const scenario = northeastCorridor(seed);
  const fixes = [...scenario.fixes()];
  const sessions = scenario.vms.flatMap((vm) => vm.sessions);
  const byUser = Map.groupBy(fixes, (fix) => fix.user);

  it('has a description that says "synthetic"', () => {
    expect(scenario.description).toMatch(/synthetic/i);
  });

  it('has 100 VMs and 130 users; most VMs have one user, and each user has one VM', () => {
    const users = sessions.map((session) => session.user);
    expect(scenario.vms).toHaveLength(100);
    expect(users).toHaveLength(130);
    expect(new Set(users).size).toBe(130);
    expect(new Set(byUser.keys())).toEqual(new Set(users));
    expect(scenario.vms.filter((vm) => vm.sessions.length === 1)).toHaveLength(80);
    expect(Math.max(...scenario.vms.map((vm) => vm.sessions.length))).toBe(4);
    expect(sessions.filter((session) => session.weight === 1).length).toBeGreaterThan(100);
  });

  it('has valid VMs and sites, and a slot for each VM at its home', () => {
    const atMs = scenario.startMs;
    for (const { vm, home, spec, sessions: users } of scenario.vms) {
      expect(faultIn('vm.declared.v1', { vm, home, spec, atMs })).toBeUndefined();
      for (const one of users) expect(faultIn('session.attached.v1', { vm, ...one, atMs })).toBeUndefined();
    }
    for (const site of scenario.sites) {
      expect(faultIn('site.reported.v1', { ...site, atMs, vms: [], draining: false })).toBeUndefined();
      expect(scenario.vms.filter((vm) => vm.home === site.site).length).toBeLessThanOrEqual(site.slots);
    }
  });

  it('has its VMs at the site nearest to the first position of their first user', () => {
    for (const { home, sessions: users } of scenario.vms) {
      const start = byUser.get(users[0]!.user)!.find(inBox)!;
      const distances = scenario.sites.map((site) => getDistance(start, site));
      const toHome = distances[scenario.sites.findIndex((site) => site.site === home)]!;
      // The first position is up to a minute old, and some 100 m wrong.
      expect(toHome).toBeLessThan(Math.min(...distances) + 10_000);
    }
  });

  it('has valid positions in order of time, within the scenario', () => {
    for (const fix of fixes) {
      if (faultIn('location.reported.v1', { vm: 'v', ...fix })) throw new Error(`unfit: ${JSON.stringify(fix)}`);
    }
    expect(fixes.every((fix, i) => i === 0 || fixes[i - 1]!.atMs <= fix.atMs)).toBe(true);
    expect(fixes[0]!.atMs).toBeGreaterThanOrEqual(scenario.startMs);
    expect(fixes.at(-1)!.atMs).toBeLessThanOrEqual(scenario.endMs);
    expect(new Date(scenario.startMs).toISOString()).toBe('2026-03-02T11:00:00.000Z');
  });

  it('has as many impossible points and repeats as it says', () => {
    expect(scenario.wildPoints).toBeGreaterThan(5);
    expect(fixes.filter((fix) => !inBox(fix))).toHaveLength(scenario.wildPoints);
    const repeats = [...byUser.values()].flatMap((own) => own.filter((fix, i) => fix.atMs === own[i - 1]?.atMs));
    expect(scenario.duplicatePoints).toBeGreaterThan(20);
    expect(repeats).toHaveLength(scenario.duplicatePoints);
  });

  it('moves its users at most at the speed of a train', () => {
    for (const own of byUser.values()) {
      const real = own.filter((fix, i) => inBox(fix) && fix.atMs !== own[i - 1]?.atMs);
      for (const [i, fix] of real.entries()) {
        if (i === 0) continue;
        const seconds = (fix.atMs - real[i - 1]!.atMs) / 1000;
        expect(metresBetween(real[i - 1]!, fix)).toBeLessThan(75 * seconds + 800);
      }
    }
  });

  it('reports every 20 s in travel and every 60 s at rest', () => {
    for (const own of byUser.values()) {
      const steps = own.slice(1).map((fix, i) => fix.atMs - own[i]!.atMs);
      expect(steps.filter((ms) => ms !== 0 && ms !== 20_000 && ms !== 60_000)).toEqual([]);
    }
  });

  it('has travelling and resting users in each minute', () => {
    const moving = new Set<number>();
    const resting = new Set<number>();
    for (const own of byUser.values()) {
      for (const [i, fix] of own.slice(1).entries()) {
        const minute = Math.floor((fix.atMs - scenario.startMs) / 60_000);
        if (fix.atMs - own[i]!.atMs === 20_000) moving.add(minute);
        if (fix.atMs - own[i]!.atMs === 60_000) resting.add(minute);
      }
    }
    for (let minute = 1; minute < 300; minute++) {
      expect(moving.has(minute), `moving in minute ${minute}`).toBe(true);
      expect(resting.has(minute), `resting in minute ${minute}`).toBe(true);
    }
  });

  it('has journeys past several sites, and some near one site', () => {
    const nearest = (fix: Fix) =>
      scenario.sites.reduce((a, b) => (getDistance(fix, b) < getDistance(fix, a) ? b : a)).site;
    const sitesSeen = [...byUser.values()].map(
      (own) => new Set(own.filter((fix, i) => i % 20 === 0 && inBox(fix)).map(nearest)).size,
    );
    expect(sitesSeen.filter((sites) => sites > 1).length).toBeGreaterThan(60);
    expect(sitesSeen.filter((sites) => sites === 1).length).toBeGreaterThan(10);
  });
});
