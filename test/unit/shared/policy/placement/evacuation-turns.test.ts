/** VMs that leave a lost home in turns. */
import { describe, expect, test } from 'vitest';
import { PERSONAL_VM } from '#services/replay/personal-vms.ts';
import type { Uplink } from '#shared/model/paths.ts';
import { slotMs } from '#shared/policy/evaluate/planner.ts';
import { CALM, configWith, line, positionAt, SPEC, uplinked } from '../world.ts';

/** A site with 60 VMs is drained. @returns how long it takes ÷ what the bytes of its VMs take at these rates */
function drained(carried: readonly Uplink[]): number {
  const l = line(5);
  const slots = 70;
  for (let i = 0; i < 5; i++) {
    uplinked(l, i, GIGABITS, { slots });
    l.world.hypervisor.declareSite({ site: `s${i}`, ...positionAt(i), uplinks: carried });
  }
  for (let i = 0; i < 60; i++) {
    l.vm(`v${i}`, 's0', PERSONAL_VM);
    // Some have users, who are everywhere.
    if (i % 3 > 0) continue;
    l.attach(`v${i}`, `u${i}`);
    l.fix(`v${i}`, `u${i}`, i % 5);
  }
  l.pass(1000);
  const fromMs = l.clock.now();
  l.site(0, { slots, uplinks: GIGABITS, draining: true });
  l.pass(3_600_000);
  const ended = l.ended().filter(({ from }) => from === 's0');
  expect(ended).toHaveLength(60);
  expect([...l.world.placement.vms.values()].filter(({ home }) => home.id === 's0')).toEqual([]);
  const bytes = ended.reduce((sum, { figures }) => sum + figures.bytes, 0);
  const tookMs = Math.max(...ended.map(({ atMs }) => atMs)) - fromMs;
  return tookMs / ((bytes / carried.reduce((sum, { rateBps }) => sum + rateBps, 0)) * 1000);
}

const GIGABITS = ['a', 'b'].map((provider) => ({ provider, rateBps: 1.25e8 }));

describe('60 VMs of 4 GiB leave a site', () => {
  test('over 2 × 1 Gbit/s in 1.1 times what their bytes take', () => {
    expect(drained(GIGABITS)).toBeLessThan(1.1);
  });

  test('hardly less well over paths that carry less than their sites say', () => {
    expect(drained(GIGABITS.map(({ provider }) => ({ provider, rateBps: 7e7 })))).toBeLessThan(1.15);
  });
});

test('VMs that leave a lost home are planned again when a move is cancelled, each in its own millisecond', () => {
  const l = line(3);
  l.vm('first', 's0', { ...CALM, ramBytes: 2e10 });
  l.order('first', 's2');
  const vms = ['v', 'w', 'x'];
  for (const vm of vms) l.vm(vm, 's0', { ...CALM, ramBytes: 2e10 });
  l.pass(1000);
  l.site(0, { draining: true });
  l.pass(20_000);
  expect(l.decided('move').map(({ vm }) => vm)).toEqual(['first']);
  const atMs = Math.round(l.clock.now());
  l.world.migrations.cancel('first', 'operator', atMs);
  l.world.tell({ type: 'session.detached.v1', data: { vm: 'v', user: 'nobody', atMs } });
  l.pass(900_000);
  const orders = l.decided('move').filter(({ vm }) => vms.includes(vm));
  expect(orders).toHaveLength(3);
  expect(orders[0]!.atMs).toBeLessThan(atMs + 1000);
  for (const order of orders) expect((order.atMs - slotMs(order.vm)) % 128, order.vm).toBe(0);
});

test('a VM that takes long to leave a lost home does not hold up the others', () => {
  const l = line(3);
  l.vm('huge', 's0', { ...CALM, ramBytes: 2e11 });
  const small = ['v', 'w', 'x'];
  for (const vm of small) l.vm(vm, 's0', CALM);
  l.pass(1000);
  l.site(0, { draining: true });
  l.pass(120_000);
  expect(l.decided('move')[0]!.vm).toBe('huge');
  expect(l.stateOf('huge')).toBe('moving');
  expect(small.map((vm) => l.homeOf(vm))).not.toContain('s0');
});

test('a VM that leaves a lost home waits for its turn rather than break its declaration', () => {
  const l = line(3);
  const uplinks = (provider: string) => [{ provider, rateBps: 1e8 }];
  uplinked(l, 0, [...uplinks('a'), ...uplinks('b')]);
  uplinked(l, 1, uplinks('a'));
  uplinked(l, 2, uplinks('b'));
  l.vm('set::peer', 's2', SPEC, { apart: 'set' });
  l.vm('set::v', 's0', SPEC, { apart: 'set' });
  l.vm('first', 's0', CALM);
  l.order('first', 's1');
  l.pass(1000);
  l.site(0, { uplinks: [...uplinks('a'), ...uplinks('b')], draining: true });
  l.pass(60_000);
  expect(l.decided('move').map(({ vm, to }) => [vm, to])).toEqual([
    ['first', 's1'],
    ['set::v', 's1'],
  ]);
});

test('a VM that may go nowhere does not hold up the others of a site that drains', () => {
  const l = line(3, configWith({ limits: { movesPerSite: 1 } }));
  l.vm('stuck', 's0', SPEC, { allowed: ['elsewhere'] });
  for (const vm of ['v', 'w', 'x']) l.vm(vm, 's0');
  l.pass(1000);
  l.site(0, { draining: true });
  l.pass(600_000);
  const orders = l.decided('move').map(({ atMs }) => atMs);
  const ends = l.ended().map(({ atMs }) => atMs);
  expect(ends).toHaveLength(3);
  expect(orders.slice(1), 'each at the end of the one before').toEqual(ends.slice(0, -1));
});
