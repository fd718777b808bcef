import { expect, test } from 'vitest';
import { Outstanding } from '#simulations/lockstep/outstanding.ts';

const location = (id: string) => ({ id, type: 'location.reported.v1', key: 'vm' }) as const;
const site = (id: string, key = 's0') => ({ id, type: 'site.reported.v1', key }) as const;

function placements(): Outstanding {
  const outstanding = new Outstanding();
  outstanding.subscribed('placement', ['location.reported.v1']);
  outstanding.subscribed('sites', ['site.reported.v1'], 'placement-1');
  return outstanding;
}

test('an event is outstanding for each group that subscribes to its type, until the group has handled it', () => {
  const outstanding = placements();
  outstanding.subscribed('monitor', ['location.reported.v1']);
  outstanding.announced('ingest-1', location('a'));
  outstanding.published('a');
  outstanding.handled('placement', 'placement-2', 'a');
  expect(outstanding.unhandled()).toEqual(['monitor: a']);
  outstanding.handled('monitor', 'monitor-1', 'a');
  expect(outstanding.unhandled()).toEqual([]);
});

test('the two reports may arrive in either order and more than once', () => {
  const outstanding = placements();
  outstanding.handled('placement', 'placement-1', 'a');
  outstanding.announced('ingest-1', location('a'));
  outstanding.announced('ingest-1', location('a'));
  expect(outstanding.unhandled()).toEqual([]);
});

test('an event that a process was about to publish when it died is no longer outstanding; an event that the bus has is', () => {
  const outstanding = placements();
  for (const id of ['a', 'b', 'c']) outstanding.announced('ingest-1', location(id));
  outstanding.published('a');
  outstanding.publishFailed('ingest-1', 'c');
  expect(outstanding.unhandled()).toEqual(['placement: a, b (being published by ingest-1)']);
  outstanding.ended('ingest-1');
  expect(outstanding.unhandled()).toEqual(['placement: a']);
  // The process that took over announces it again.
  outstanding.announced('ingest-2', location('b'));
  outstanding.published('b');
  expect(outstanding.unhandled()).toEqual(['placement: a, b']);
});

test('an own group ends with its process, and does not wait for repetitions of events from before it subscribed', () => {
  const outstanding = placements();
  outstanding.announced('migrator-1', site('x'));
  outstanding.published('x');
  expect(outstanding.unhandled()).toEqual(['sites@placement-1: x']);
  expect(outstanding.unhandled(new Set(['placement-1']))).toEqual([]);
  outstanding.ended('placement-1');
  outstanding.subscribed('sites', ['site.reported.v1'], 'placement-1');
  outstanding.announced('migrator-2', site('x'));
  expect(outstanding.unhandled()).toEqual([]);
  outstanding.announced('migrator-2', site('y'));
  outstanding.published('y');
  expect(outstanding.unhandled()).toEqual(['sites@placement-1: y']);
  outstanding.dropUnhandled('placement-1');
  expect(outstanding.unhandled()).toEqual([]);
});

test('of a type that the bus keeps the latest events of, an own group need handle only the latest', () => {
  const outstanding = placements();
  outstanding.announced('migrator-1', site('x'));
  outstanding.announced('migrator-1', site('y', 's1'));
  outstanding.announced('migrator-1', site('z'));
  for (const id of ['x', 'y', 'z']) outstanding.published(id);
  expect(outstanding.unhandled()).toEqual(['sites@placement-1: y, z']);
});
