/** VMs in relation to others, as they are declared, moved and retired. */
import { describe, expect, test } from 'vitest';
import { MAX_RELATED } from '#shared/events/bounds.ts';
import type { Affinity } from '#shared/events/index.ts';
import { Peers, siteOf } from '#shared/policy/state/peers.ts';
import { SiteTable } from '#shared/policy/state/sites.ts';
import type { Vm } from '#shared/policy/state/state.ts';
import type { MoveUnderWay } from '#shared/policy/state/vm-context.ts';
import { VmTable } from '#shared/policy/state/vm-table.ts';
import { configWith, SPEC } from '../world.ts';

const apart = { apart: 'set' };
const inGroup = { group: { lead: 'set::web', apartUserMsPerS: 1 } };

/** A table of VMs, and the peers in it. A VM that is declared again has the time of the number of declarations. */
function newTable() {
  const table = new VmTable(new SiteTable(configWith().network), 1);
  const peers = new Peers(table.vms);
  let atMs = 0;
  const vmOf = (vm: string) => table.vms.get(vm)!;
  return {
    ...{ table, peers, vmOf },
    declare(vm: string, affinity?: Partial<Affinity>, home = 's0'): readonly string[] {
      const declared = affinity && { affinity: { preferenceUserMsPerS: 0, ...affinity } };
      table.apply({ type: 'vm.declared.v1', data: { vm, atMs: ++atMs, home, spec: SPEC, ...declared } });
      return peers.update(vm);
    },
    retire(vm: string): readonly string[] {
      table.apply({ type: 'vm.retired.v1', data: { vm, atMs: ++atMs } });
      return peers.update(vm);
    },
  };
}

const names = (vms: readonly Vm[]) => vms.map(({ id }) => id);
const move = (vm: Vm, part: Partial<MoveUnderWay>) => {
  const underWay = { from: vm.home.id, source: 'policy', switched: false, cancelling: false, ...part };
  vm.context = { ...vm.context, move: underWay as MoveUnderWay };
};

describe('a VM that is kept apart', () => {
  test('needs room where it is and where it goes, until its move has ended', () => {
    const { peers, declare, vmOf } = newTable();
    declare('set::a', apart, 's9');
    declare('set::b', apart);
    const [a, b] = [vmOf('set::a'), vmOf('set::b')];
    move(b, { to: 's1' });
    expect(['s0', 's1', 's2'].map((site) => peers.isShared(a, site))).toEqual([true, true, false]);
    expect(siteOf(b)).toBe('s1');
    move(b, { to: 's1', cancelling: true });
    expect(siteOf(b)).toBe('s0');
    b.context = { ...b.context, move: null };
    expect(peers.isShared(a, 's1')).toBe(false);
  });

  test('gives way to an evacuation, and otherwise to the name that comes first', () => {
    const { peers, declare, vmOf } = newTable();
    declare('set::a', apart, 's8');
    declare('set::b', apart, 's9');
    const [a, b] = [vmOf('set::a'), vmOf('set::b')];
    for (const vm of [a, b]) move(vm, { to: 's1' });
    const giveWay = () => [a, b].map((vm) => peers.givesWay(vm, vm.context.move!));
    expect(giveWay()).toEqual([false, true]);
    move(b, { to: 's1', source: 'evacuation' });
    expect(giveWay()).toEqual([true, false]);
    move(a, { to: 's1', switched: true });
    expect(giveWay()).toEqual([false, false]);
  });

  test('is no peer once its relation is lifted, or it is retired; those that it had hear of it', () => {
    const { peers, declare, retire, vmOf } = newTable();
    for (const vm of ['set::a', 'set::b', 'set::c']) declare(vm, apart);
    expect(declare('set::b')).toEqual(['set::a', 'set::c']);
    expect(retire('set::c')).toEqual(['set::a']);
    expect(peers.keptApartFrom(vmOf('set::a'))).toEqual([]);
    expect(peers.relativesOf('set::b')).toEqual([]);
  });

  test('has no relation to a set whose name has another partition key', () => {
    const { peers, declare, vmOf } = newTable();
    declare('set::a', { apart: 'other' });
    declare('other::b', { apart: 'other' });
    expect([peers.keptApartFrom(vmOf('set::a')), peers.keptApartFrom(vmOf('other::b'))]).toEqual([[], []]);
  });
});

describe('of too many VMs', () => {
  const many = Array.from({ length: MAX_RELATED + 2 }, (_, i) => `set::v${100 + i}`);
  const backwards = many.toReversed();

  test.each([
    ['in order of names', many],
    ['in any other order', backwards],
  ])('only the first of a set count, if they are declared %s', (_, declared) => {
    const { peers, declare, vmOf } = newTable();
    for (const vm of declared) declare(vm, apart);
    const counted = many.slice(0, MAX_RELATED);
    expect(names(peers.keptApartFrom(vmOf(many[0]!)))).toEqual(counted.slice(1));
    expect(peers.keptApartFrom(vmOf(many[MAX_RELATED]!))).toEqual([]);
    expect(peers.relativesOf(many[MAX_RELATED]!)).toEqual([]);
  });

  test.each([
    ['in order of names', many],
    ['in any other order', backwards],
  ])('only the first of a group follow its lead, if they are declared %s', (_, declared) => {
    const { peers, declare, vmOf } = newTable();
    for (const vm of ['set::web', ...declared]) declare(vm, inGroup);
    expect(names(peers.followersOf('set::web'))).toEqual(many.slice(0, MAX_RELATED - 1));
    expect(peers.leadOf(vmOf(many[MAX_RELATED - 2]!))?.id).toBe('set::web');
    expect(peers.leadOf(vmOf(many[MAX_RELATED - 1]!))).toBeUndefined();
    expect(peers.relativesOf(many[MAX_RELATED - 1]!)).toEqual([]);
  });

  test('one that takes the place of another, or leaves it, tells the other', () => {
    const { peers, declare, retire, vmOf } = newTable();
    for (const vm of many) declare(vm, apart);
    const last = many[MAX_RELATED - 1]!;
    expect(declare('set::a', apart)).toContain(last);
    expect(peers.keptApartFrom(vmOf(last))).toEqual([]);
    expect(retire('set::a')).toContain(last);
    expect(peers.keptApartFrom(vmOf(last))).toHaveLength(MAX_RELATED - 1);
  });
});

describe('a lead', () => {
  test('names itself; others that name it follow in order of names, in whichever order they are declared', () => {
    const { peers, declare, vmOf } = newTable();
    for (const vm of ['set::z', 'set::b', 'set::web']) declare(vm, inGroup);
    expect(names(peers.followersOf('set::web'))).toEqual(['set::b', 'set::z']);
    expect(peers.leadOf(vmOf('set::z'))?.id).toBe('set::web');
    expect(peers.leadOf(vmOf('set::web'))).toBeUndefined();
    expect(peers.relativesOf('set::b')).toEqual(['set::z', 'set::web']);
  });

  test('that gives up its group, or is retired, leaves those that followed without one; they hear of it', () => {
    const { peers, declare, retire, vmOf } = newTable();
    for (const vm of ['set::b', 'set::web']) declare(vm, inGroup);
    expect(declare('set::web', apart)).toEqual(['set::b']);
    expect(peers.leadOf(vmOf('set::b'))).toBeUndefined();
    expect(declare('set::web', inGroup)).toEqual(['set::b']);
    expect(retire('set::web')).toEqual(['set::b']);
    expect(peers.leadOf(vmOf('set::b'))).toBeUndefined();
  });

  test('with another partition key is none', () => {
    const { peers, declare, vmOf } = newTable();
    declare('web', { group: { lead: 'web', apartUserMsPerS: 1 } });
    declare('db', { group: { lead: 'web', apartUserMsPerS: 1 } });
    expect(peers.leadOf(vmOf('db'))).toBeUndefined();
    expect(peers.followersOf('web')).toEqual([]);
  });
});
