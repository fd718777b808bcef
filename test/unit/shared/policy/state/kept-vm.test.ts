import { expect, test } from 'vitest';
import type { Affinity } from '#shared/events/index.ts';
import { Affinity as AffinitySchema, type Data, SCHEMAS } from '#shared/events/types.ts';
import { type KeptVm, keepVm, reviveVm } from '#shared/policy/state/kept-vm.ts';
import type { Vm } from '#shared/policy/state/state.ts';
import { configWith, type Line, line, positionAt, UPLINKS } from '../world.ts';

test('a process that knows the sites in another order continues with the same evaluations', () => {
  // Within the quiet radius, only another nearest site causes an evaluation.
  const [one, other] = [
    [0, 1, 2],
    [2, 1, 0],
  ].map((order) => {
    const there = line(0, configWith({ policy: { name: 'never' } }));
    for (const i of order) there.world.declareSite({ site: `s${i}`, ...positionAt(i), slots: 9, uplinks: UPLINKS });
    return there;
  }) as [Line, Line];
  one.vm('v', 's0');
  one.attach('v', 'u');
  one.fix('v', 'u', 0.1);
  const vm = one.world.placement.vms.get('v')!;
  expect(vm.quietKm).toBeGreaterThan(60);
  const kept = JSON.parse(JSON.stringify(keepVm(vm, one.world.placement.sites))) as KeptVm;
  other.world.placement.restore(reviveVm(kept, other.world.placement.sites));

  for (const place of [-0.35, 0.3, 0.6, 1.9]) {
    const before = [one, other].map(({ world }) => world.placement.counts.get('looked') ?? 0);
    one.pass(60_000);
    other.pass(60_000);
    one.fix('v', 'u', place);
    other.fix('v', 'u', place);
    const looks = [one, other].map(({ world }, i) => (world.placement.counts.get('looked') ?? 0) - before[i]!);
    expect(looks[1], `at ${place}`).toBe(looks[0]);
  }
  expect(one.world.placement.counts.get('looked')).toBeGreaterThan(1);
});

/** The member of a VM for each member of its declaration. */
const DECLARED: { [K in keyof Data<'vm.declared.v1'>]-?: (vm: Vm) => Data<'vm.declared.v1'>[K] } = {
  vm: ({ id }) => id,
  atMs: ({ declaredAtMs }) => declaredAtMs,
  home: ({ home }) => home.id,
  spec: ({ spec }) => spec,
  affinity: ({ affinity }) => affinity ?? undefined,
};

test('a stored VM keeps every member of its declaration', () => {
  const { world } = line(1, configWith({}));
  const spec = Object.fromEntries(
    Object.keys(SCHEMAS['vm.declared.v1'].properties.spec.properties).map((key, i) => [key, i + 1]),
  );
  const affinity: Required<Affinity> = {
    allowed: ['s0', 's1'],
    preferred: ['s1'],
    avoided: ['s0'],
    preferenceUserMsPerS: 7,
    apart: 'replicas',
    group: { lead: 'front', apartUserMsPerS: 3 },
  };
  expect(Object.keys(affinity)).toEqual(Object.keys(AffinitySchema.properties));
  const data = {
    vm: 'v',
    atMs: world.placement.nextWakeMs() ?? 1,
    home: 's0',
    spec,
    affinity,
  } as Data<'vm.declared.v1'>;
  world.placement.apply({ type: 'vm.declared.v1', data }, data.atMs);
  const { sites, vms } = world.placement;
  const revived = reviveVm(JSON.parse(JSON.stringify(keepVm(vms.get('v')!, sites))) as KeptVm, sites);
  for (const member of Object.keys(SCHEMAS['vm.declared.v1'].properties) as (keyof typeof data)[]) {
    expect(DECLARED[member](revived), member).toEqual(data[member]);
  }
});
