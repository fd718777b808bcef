import { expect, test } from 'vitest';
import type { Data, Fact } from '#shared/events/index.ts';
import { RemoteMoves } from '#shared/policy/state/remote-moves.ts';
import { SiteTable } from '#shared/policy/state/sites.ts';
import type { VmContext } from '#shared/policy/state/vm-context.ts';
import { RecentSet } from '#shared/recent.ts';

const network = { accessMs: 10, msPerKm: 0.01, detour: 2, transitMs: 2 };
const uplinks = [{ provider: 'a', rateBps: 1e8 }];

function world() {
  const sites = new SiteTable(network);
  ['s0', 's1'].forEach((site, i) => {
    sites.report({ site, atMs: 0, lat: 52, lon: i, slots: 9, vms: [], draining: false, uplinks });
  });
  const ended = new RecentSet(10);
  const path = sites.pair(sites.named('s0'), sites.named('s1')).paths[0]!;
  const counts = () => [sites.named('s0').moves, sites.named('s1').inbound, sites.movesOn(path)];
  return { sites, ended, remoteMoves: new RemoteMoves(sites, ended), counts };
}

const decided = (seq: number, verdict = 'move'): Fact => ({
  type: 'placement.decided.v1',
  data: {
    ...{ decision: `v:${seq}`, vm: 'v', seq, atMs: seq, verdict, from: 's0', to: 's1', reason: '', source: 'policy' },
  } as Data<'placement.decided.v1'>,
});
const ended = (type: 'completed' | 'failed' | 'cancelled', seq: number) =>
  ({ type: `migration.${type}.v1`, data: { vm: 'v', migration: `v:${seq}`, from: 's0', to: 's1' } }) as Fact;
const context = (seq: number, moving: boolean): VmContext => ({
  ...{ vm: 'v', seq, deadlineMs: null, failures: 0 },
  move: moving
    ? {
        ...{ decision: `v:${seq}`, from: 's0', to: 's1', source: 'policy', paths: ['s0~s1/a'] },
        ...{ raw: { durationMs: 1, interruptionMs: 1 }, switched: false, cancelling: false, giveUpAtMs: null },
      }
    : null,
});

test.each(['completed', 'failed', 'cancelled'] as const)('a move of another placement counts until it is %s', (how) => {
  const { remoteMoves, counts } = world();
  expect(remoteMoves.onEvent(decided(1))).toBe(false);
  expect(counts()).toEqual([1, 1, 1]);
  expect(remoteMoves.onEvent(ended(how, 1)), 'only a completed move is a measurement').toBe(how === 'completed');
  expect(counts()).toEqual([0, 0, 0]);
});

test('a repeated decision counts once, and other verdicts do not count', () => {
  const { remoteMoves, counts } = world();
  for (const verdict of ['stay', 'cancel']) remoteMoves.onEvent(decided(1, verdict));
  expect(counts()).toEqual([0, 0, 0]);
  remoteMoves.onEvent(decided(2));
  remoteMoves.onEvent(decided(2));
  expect(counts()).toEqual([1, 1, 1]);
  remoteMoves.onEvent(ended('completed', 2));
  remoteMoves.onEvent(ended('completed', 2));
  remoteMoves.onEvent(decided(2));
  expect(counts()).toEqual([0, 0, 0]);
});

test('an older record or a repeated decision does not count an ended move again', () => {
  const { sites, ended: known, remoteMoves, counts } = world();
  remoteMoves.onEvent(decided(1));
  remoteMoves.onEvent(ended('completed', 1));
  const later = new RemoteMoves(sites, known);
  later.restore(context(1, true));
  expect(counts()).toEqual([0, 0, 0]);

  const newcomer = new RemoteMoves(sites, new RecentSet(10));
  newcomer.restore(context(3, false));
  newcomer.onEvent(decided(3));
  expect(counts(), 'the record says that the move has ended').toEqual([0, 0, 0]);
  newcomer.restore(context(4, true));
  newcomer.onEvent(decided(4));
  expect(counts()).toEqual([1, 1, 1]);
});
