/** VMs that wait to be evaluated because of others. */
import { expect, test } from 'vitest';
import { Relations } from '#shared/policy/relations.ts';
import { SiteTable } from '#shared/policy/state/sites.ts';
import { VmTable } from '#shared/policy/state/vm-table.ts';
import { configWith, SPEC } from './world.ts';

const NAMES = ['set::a', 'set::b', 'set::c'];

test('a VM that is stirred several times is evaluated once, as of the last time, and again only if it is stirred meanwhile', () => {
  const table = new VmTable(new SiteTable(configWith().network), 1);
  const relations = new Relations(table.vms);
  const affinity = { preferenceUserMsPerS: 0, apart: 'set' };
  for (const [i, vm] of NAMES.entries()) {
    table.apply({ type: 'vm.declared.v1', data: { vm, atMs: i, home: 's0', spec: SPEC, affinity } });
    relations.redeclared(vm, i);
  }
  const evaluated: [vm: string, atMs: number][] = [];
  relations.each(({ vm, atMs }) => {
    evaluated.push([vm.id, atMs]);
    if (evaluated.length === 1) relations.moved('set::c', 9);
  });
  expect(evaluated).toEqual([
    ['set::a', 2],
    ['set::b', 9],
    ['set::a', 9],
  ]);
});
