/** Placement ignores and counts events of migrations that it never ordered. It does not count repeated and late events. */
import { expect, test } from 'vitest';
import type { Data, Fact } from '#shared/events/index.ts';
import { line } from '../world.ts';

type Completed = Data<'migration.completed.v1'>;

/** A world in which a VM has moved from s0 to s1. */
function moved() {
  const l = line(3);
  l.vm('v', 's0');
  l.attach('v', 'u');
  // A user with steady reports would count as absent during the migration.
  l.fix('v', 'u', 0);
  l.pass(1_000);
  l.fix('v', 'u', 0);
  l.order('v', 's1');
  l.pass(600_000);
  const [ended] = l.ended();
  return { l, ended: ended!, placement: l.world.placement };
}

/** Forged events of a migration. */
function forged(ended: Completed, migration: string, vm = 'v'): Fact[] {
  const of = { migration, vm, from: 's1', to: 's2', atMs: ended.atMs + 1000 };
  return [
    { type: 'migration.accepted.v1', data: of },
    { type: 'migration.switched.v1', data: { ...of, pauseMs: 100 } },
    { type: 'migration.completed.v1', data: { ...ended, ...of } },
  ];
}

test.each(['v:2', 'v:999', 'w:1', 'somebody', 'v:', 'v:1.5', 'v:-1', 'v: 1'])(
  'events of the forged migration "%s" are ignored and counted',
  (migration) => {
    const { l, ended, placement } = moved();
    const [home, state] = [l.homeOf('v'), l.stateOf('v')];
    for (const fact of forged(ended, migration)) placement.apply(fact, l.clock.now());
    expect([l.homeOf('v'), l.stateOf('v')]).toEqual([home, state]);
    expect(placement.drain()).toEqual({ vms: [], lessons: [], stays: [], decisions: [] });
    expect(placement.neverOrdered).toBe(3);
    // The events use no slot: the VM can still move there.
    l.pass(600_000);
    l.order('v', 's2');
    l.pass(600_000);
    expect(l.homeOf('v')).toBe('s2');
  },
);

test('events that name other sites than the order are ignored and counted', () => {
  const { l, ended, placement } = moved();
  l.order('v', 's2');
  const move = placement.vms.get('v')!.context.move!;
  const wrong = forged(ended, move.decision).map((fact) => ({
    ...fact,
    data: { ...fact.data, from: move.from, to: 's0' },
  }));
  for (const fact of wrong as Fact[]) placement.apply(fact, l.clock.now());
  expect(placement.neverOrdered).toBe(3);
  expect(placement.vms.get('v')!.context.move).toEqual(move);
  l.pass(600_000);
  expect(l.homeOf('v')).toBe('s2');
});

test('events of an unknown VM are counted', () => {
  const { l, ended, placement } = moved();
  for (const fact of forged(ended, 'ghost:1', 'ghost')) placement.apply(fact, l.clock.now());
  expect(placement.vms.has('ghost')).toBe(false);
  expect(placement.neverOrdered).toBe(3);
});

test('repeated events of a real move, and events after its VM is retired, are not counted', () => {
  const { l, ended, placement } = moved();
  const facts = l.facts.filter(({ type }) => type.startsWith('migration.'));
  expect(facts.length).toBeGreaterThan(2);
  for (const fact of facts) placement.apply(fact, l.clock.now());
  l.world.tell({ type: 'vm.retired.v1', data: { vm: 'v', atMs: ended.atMs + 1 } });
  for (const fact of facts) placement.apply(fact, l.clock.now());
  expect(placement.neverOrdered).toBe(0);
});

test.each<[string, { from?: string; to?: string; figures?: object }]>([
  ['another destination', { to: 's2' }],
  ['another source', { from: 's2' }],
  ['longer times than have passed', { figures: { durationMs: 1e9 } }],
])('the end of a real move with %s is ignored and counted', (_, { figures, ...sites }) => {
  const { l, ended, placement } = moved();
  l.pass(600_000);
  l.order('v', 's0');
  l.pass(1_000);
  const atMs = Math.round(l.clock.now());
  const { decision: migration } = l.decided('move').at(-1)!;
  const data = {
    ...ended,
    migration,
    from: 's1',
    to: 's0',
    atMs,
    ...sites,
    figures: { ...ended.figures, durationMs: 1, ...figures },
  };
  placement.apply({ type: 'migration.completed.v1', data }, atMs);
  expect([l.homeOf('v'), l.stateOf('v')]).toEqual(['s1', 'moving']);
  expect(placement.neverOrdered).toBe(1);
  l.pass(600_000);
  expect(l.homeOf('v')).toBe('s0');
});
