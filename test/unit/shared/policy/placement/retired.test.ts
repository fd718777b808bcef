/** Placement keeps a small record of a retired VM. */
import { expect, test } from 'vitest';
import { keepVm, reviveVm } from '#shared/policy/state/kept-vm.ts';
import { line, START_MS } from '../world.ts';

/** The most bytes of the record. */
const MOST_BYTES = 1000;

/** A VM with users, some of whom have left, moves twice and is retired. @returns its records before and after */
function lived() {
  const l = line(3);
  l.vm('v', 's0');
  for (let i = 0; i < 20; i++) l.attach('v', `user-${i}`);
  l.pass(1000);
  for (let i = 0; i < 10; i++) {
    l.world.tell({ type: 'session.detached.v1', data: { vm: 'v', user: `user-${i}`, atMs: START_MS + 1000 } });
  }
  for (const to of ['s1', 's2']) {
    l.order('v', to);
    l.pass(600_000);
    l.fix('v', 'user-19', 2);
  }
  expect(l.ended()).toHaveLength(2);
  const vm = l.world.placement.vms.get('v')!;
  const before = JSON.stringify(keepVm(vm, l.world.placement.sites));
  l.world.tell({ type: 'vm.retired.v1', data: { vm: 'v', atMs: Math.round(l.clock.now()) } });
  return { l, before, record: keepVm(vm, l.world.placement.sites) };
}

test('the record of a retired VM names no user, and is small', () => {
  const { before, record } = lived();
  expect(before).toMatch(/user-3.*/);
  expect(before.length).toBeGreaterThan(4 * MOST_BYTES);
  expect(record.retired).toBe(true);
  expect(JSON.stringify(record)).not.toContain('user-');
  expect(JSON.stringify(record).length).toBeLessThan(MOST_BYTES);
});

test('a new VM of the same name does not reuse the numbers of decisions', () => {
  const { record } = lived();
  const again = line(3);
  again.world.placement.restore(reviveVm(record, again.world.placement.sites));
  again.pass(3_600_000);
  again.vm('v', 's0');
  again.attach('v', 'user-1');
  again.pass(1000);
  again.order('v', 's1');
  expect(again.decided('move').map(({ decision }) => decision)).toEqual(['v:3']);
});
