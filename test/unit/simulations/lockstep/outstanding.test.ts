import { expect, test } from 'vitest';
import { Outstanding } from '#simulations/lockstep/outstanding.ts';

const location = (id: string) => ({ id, type: 'location.reported.v1', key: 'vm' }) as const;
const site = (id: string, key = 's0') => ({ id, type: 'site.reported.v1', key }) as const;

function placements(): Outstanding {
  const outstanding = new Outstanding();
  outstanding.join('placement', ['location.reported.v1']);
  outstanding.join('sites', ['site.reported.v1'], 'placement-1');
  return outstanding;
}

test('an event is outstanding for each group that hears its type, until that group has handled it', () => {
  const outstanding = placements();
  outstanding.join('monitor', ['location.reported.v1']);
  outstanding.says('ingest-1', location('a'));
  outstanding.said('a');
  outstanding.handled('placement', 'placement-2', 'a');
  expect(outstanding.waiting()).toEqual(['monitor: a']);
  outstanding.handled('monitor', 'monitor-1', 'a');
  expect(outstanding.waiting()).toEqual([]);
});

test('it does not matter which of the two is heard of first, nor how often', () => {
  const outstanding = placements();
  outstanding.handled('placement', 'placement-1', 'a');
  outstanding.says('ingest-1', location('a'));
  outstanding.says('ingest-1', location('a'));
  expect(outstanding.waiting()).toEqual([]);
});

test('what a process was about to publish when it died is waited for no more; what the bus has is', () => {
  const outstanding = placements();
  for (const id of ['a', 'b', 'c']) outstanding.says('ingest-1', location(id));
  outstanding.said('a');
  outstanding.unsaid('ingest-1', 'c');
  expect(outstanding.waiting()).toEqual(['placement: a, b (being published by ingest-1)']);
  outstanding.gone('ingest-1');
  expect(outstanding.waiting()).toEqual(['placement: a']);
  // Said by whoever took over.
  outstanding.says('ingest-2', location('b'));
  outstanding.said('b');
  expect(outstanding.waiting()).toEqual(['placement: a, b']);
});

test('a group of its own goes with its process, and does not wait for repeats of what was said before it came', () => {
  const outstanding = placements();
  outstanding.says('migrator-1', site('x'));
  outstanding.said('x');
  expect(outstanding.waiting()).toEqual(['sites@placement-1: x']);
  expect(outstanding.waiting(new Set(['placement-1']))).toEqual([]);
  outstanding.gone('placement-1');
  outstanding.join('sites', ['site.reported.v1'], 'placement-1');
  outstanding.says('migrator-2', site('x'));
  expect(outstanding.waiting()).toEqual([]);
  outstanding.says('migrator-2', site('y'));
  outstanding.said('y');
  expect(outstanding.waiting()).toEqual(['sites@placement-1: y']);
  outstanding.settle('placement-1');
  expect(outstanding.waiting()).toEqual([]);
});

test('of what a bus keeps the latest of, who listens for itself may get the latest only', () => {
  const outstanding = placements();
  outstanding.says('migrator-1', site('x'));
  outstanding.says('migrator-1', site('y', 's1'));
  outstanding.says('migrator-1', site('z'));
  for (const id of ['x', 'y', 'z']) outstanding.said(id);
  expect(outstanding.waiting()).toEqual(['sites@placement-1: y, z']);
});
