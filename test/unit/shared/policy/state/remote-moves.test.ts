import { expect, test } from 'vitest';
import type { Data, Fact, Figures } from '#shared/events/index.ts';
import type { EndFact } from '#shared/migration/outcome.ts';
import { DEFAULT_MOVE_MODEL } from '#shared/model/move-model.ts';
import { type RemoteContext, RemoteMoves } from '#shared/policy/state/remote-moves.ts';
import { SiteTable } from '#shared/policy/state/sites.ts';
import { Traffic } from '#shared/policy/state/traffic.ts';
import { RecentMap } from '#shared/recent.ts';
import { SPEC } from '../world.ts';

const network = { accessMs: 10, msPerKm: 0.01, detour: 2, transitMs: 2 };
const uplinks = [{ provider: 'a', rateBps: 1e8 }];

function world() {
  const sites = new SiteTable(network);
  ['s0', 's1'].forEach((site, i) => {
    sites.report({ site, atMs: 0, lat: 52, lon: i, slots: 9, vms: [], draining: false, uplinks });
  });
  const ended = new RecentMap<EndFact>(10);
  const path = sites.pair(sites.named('s0'), sites.named('s1')).paths[0]!;
  const counts = () => [sites.named('s0').moves, sites.named('s1').inbound, sites.movesOn(path)];
  const traffic = new Traffic(sites, DEFAULT_MOVE_MODEL, { shared() {}, freed() {} });
  return { traffic, ended, remoteMoves: new RemoteMoves(traffic, ended), counts };
}

const decided = (seq: number, verdict = 'move'): Fact => ({
  type: 'placement.decided.v1',
  data: {
    ...{ spec: SPEC, decision: `v:${seq}`, vm: 'v', seq, atMs: seq, verdict, from: 's0', to: 's1' },
    ...{ reason: '', source: 'policy' },
  } as Data<'placement.decided.v1'>,
});
const FIGURES: Figures = {
  ...{ durationMs: 5_000, pauseMs: 1, interruptionMs: 1, bytes: 1, bytesByPath: {}, rounds: 1, subflows: 1 },
  ...{ phaseMs: {}, degraded: [] },
};
const NOW_MS = 10_000;
const ended = (type: 'completed' | 'failed' | 'cancelled', seq: number, more: object = {}) =>
  ({
    type: `migration.${type}.v1`,
    data: { vm: 'v', migration: `v:${seq}`, from: 's0', to: 's1', atMs: NOW_MS, figures: FIGURES, ...more },
  }) as Fact;
const context = (seq: number, moving: boolean): RemoteContext => ({
  spec: SPEC,
  ...{ vm: 'v', seq },
  move: moving
    ? {
        ...{ decision: `v:${seq}`, from: 's0', to: 's1', source: 'policy', paths: ['s0~s1/a'] },
        ...{ orderedAtMs: seq, delayUserMsPerS: 0, shared: false },
        ...{ raw: { durationMs: 1, interruptionMs: 1 }, switched: false, cancelling: false, giveUpAtMs: null },
      }
    : null,
});

test.each(['completed', 'failed', 'cancelled'] as const)('a move of another placement counts until it is %s', (how) => {
  const { remoteMoves, counts } = world();
  expect(remoteMoves.onEvent(decided(1), NOW_MS)).toBe(false);
  expect(counts()).toEqual([1, 1, 1]);
  expect(remoteMoves.onEvent(ended(how, 1), NOW_MS), 'only a completed move is a measurement').toBe(
    how === 'completed',
  );
  expect(counts()).toEqual([0, 0, 0]);
});

test('a repeated decision counts once, and other verdicts do not count', () => {
  const { remoteMoves, counts } = world();
  for (const verdict of ['stay', 'cancel']) remoteMoves.onEvent(decided(1, verdict), NOW_MS);
  expect(counts()).toEqual([0, 0, 0]);
  remoteMoves.onEvent(decided(2), NOW_MS);
  remoteMoves.onEvent(decided(2), NOW_MS);
  expect(counts()).toEqual([1, 1, 1]);
  remoteMoves.onEvent(ended('completed', 2), NOW_MS);
  remoteMoves.onEvent(ended('completed', 2), NOW_MS);
  remoteMoves.onEvent(decided(2), NOW_MS);
  expect(counts()).toEqual([0, 0, 0]);
});

test('an older record or a repeated decision does not count an ended move again', () => {
  const { traffic, ended: known, remoteMoves, counts } = world();
  remoteMoves.onEvent(decided(1), NOW_MS);
  remoteMoves.onEvent(ended('completed', 1), NOW_MS);
  const later = new RemoteMoves(traffic, known);
  later.restore(context(1, true));
  expect(counts()).toEqual([0, 0, 0]);

  const newcomer = new RemoteMoves(traffic, new RecentMap(10));
  newcomer.restore(context(3, false));
  newcomer.onEvent(decided(3), NOW_MS);
  expect(counts(), 'the record says that the move has ended').toEqual([0, 0, 0]);
  newcomer.restore(context(4, true));
  newcomer.onEvent(decided(4), NOW_MS);
  expect(counts()).toEqual([1, 1, 1]);
});

test.each([
  ['of another VM', { vm: 'w' }],
  ['from another site', { from: 's2' }],
  ['to another site', { to: 's2' }],
  ['after a longer time than has passed', { figures: { ...FIGURES, durationMs: 1e9 } }],
])('an end %s changes nothing', (_, more) => {
  const { remoteMoves, counts } = world();
  remoteMoves.onEvent(decided(1), NOW_MS);
  expect(remoteMoves.onEvent(ended('completed', 1, more), NOW_MS)).toBe(false);
  expect(counts()).toEqual([1, 1, 1]);
});

test.each([
  ['from before its order', { atMs: -1 }],
  ['of a move to another site', { to: 's2' }],
])('an end %s that was known before the move does not hide it', (_, more) => {
  const { remoteMoves, counts } = world();
  remoteMoves.onEvent(ended('completed', 1, more), NOW_MS);
  remoteMoves.onEvent(decided(1), NOW_MS);
  expect(counts()).toEqual([1, 1, 1]);
});
