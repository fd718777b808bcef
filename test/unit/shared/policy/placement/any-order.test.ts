/**
 * Placements that share the VMs come to the same state and lessons as one that holds them all, in whichever order the
 * events of an instant arrive from the partitions.
 */
import { expect, test } from 'vitest';
import { type Fact, partitionOf } from '#shared/events/index.ts';
import { Placement } from '#shared/policy/placement.ts';
import { RemoteMoves } from '#shared/policy/state/remote-moves.ts';
import type { Lesson } from '#shared/policy/state/sites.ts';
import { RecentMap } from '#shared/recent.ts';
import { configWith, type Line, line, SPEC, START_MS } from '../world.ts';

const PARTITIONS = 4;
const VMS = ['v', 'w', 'x', 'y', 'z'];
const HOMES: Readonly<Record<string, string>> = { v: 's0', w: 's0', x: 's0', y: 's2', z: 's0' };

type MoveFact = Extract<Fact, { data: { vm: string; atMs: number } }>;

/** Three moves share an uplink, one has another to itself, and one follows when the first three are done. */
function played(): Line {
  const l = line(4);
  for (const vm of VMS) l.vm(vm, HOMES[vm]!, { ...SPEC, ramBytes: vm === 'z' ? 1e9 : 4e9 });
  l.order('v', 's1');
  l.order('w', 's1');
  l.order('y', 's3');
  l.pass(4000);
  l.order('x', 's1');
  l.pass(400_000);
  l.order('z', 's1');
  l.pass(400_000);
  expect(l.ended()).toHaveLength(5);
  return l;
}

/** Passes the facts of a world to a core that holds some of the VMs. @param order puts the facts of one instant in order */
function follow({ facts, world }: Line, mine: (vm: string) => boolean, order: (facts: MoveFact[]) => MoveFact[]) {
  const { network, move, limits, ingest, ...config } = configWith();
  const policy = { ...config.policy, siteSilentMs: Number.POSITIVE_INFINITY };
  const core = new Placement({ network, move, policy, limits, plausibility: ingest.plausibility });
  for (const fact of world.placement.sites.facts()) core.apply(fact, START_MS);
  for (const vm of VMS.filter(mine)) {
    const { spec, declaredAtMs: atMs } = world.placement.vms.get(vm)!;
    core.apply({ type: 'vm.declared.v1', data: { vm, atMs, home: HOMES[vm]!, spec } }, START_MS);
  }
  const remote = new RemoteMoves(core.traffic, new RecentMap(100));
  const lessons: Lesson[] = [];
  for (const [atMs, all] of Map.groupBy(facts as MoveFact[], ({ data }) => data.atMs)) {
    for (const fact of order(all)) {
      if (!mine(fact.data.vm) && fact.type !== 'migration.progressed.v1') remote.onEvent(fact, atMs);
      else if (fact.type === 'placement.decided.v1') core.order(fact.data.vm, fact.data.to, atMs);
      else core.apply(fact, atMs);
    }
    lessons.push(...core.drain().lessons);
  }
  return lessons;
}

const byMigration = (lessons: Lesson[]) => lessons.toSorted((a, b) => (a.migration < b.migration ? -1 : 1));
const partition = ({ data }: MoveFact) => partitionOf(data.vm, PARTITIONS);

test.each([
  ['as they happened', (facts: MoveFact[]) => facts],
  ['partition by partition', (facts: MoveFact[]) => facts.toSorted((a, b) => partition(a) - partition(b))],
  ['the last partition first', (facts: MoveFact[]) => facts.toSorted((a, b) => partition(b) - partition(a))],
])('events of one instant, %s', (_, order) => {
  const l = played();
  const whole = follow(
    l,
    () => true,
    (facts) => facts,
  );
  const parts = [0, 1].flatMap((half) => follow(l, (vm) => partitionOf(vm, PARTITIONS) % 2 === half, order));
  expect(byMigration(parts)).toEqual(byMigration(whole));
  expect(
    byMigration(whole).map(({ migration }) => migration),
    'those that had their uplinks to themselves',
  ).toEqual(['y:1', 'z:1']);
});
