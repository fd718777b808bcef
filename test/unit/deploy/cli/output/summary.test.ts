import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { closingTable } from '#deploy/cli/output/closing.ts';
import { spread, summarize } from '#deploy/cli/output/summary.ts';
import { createTally } from '#deploy/cli/output/tally.ts';
import { moveLine } from '#deploy/cli/run/live.ts';
import { type Data, type Event, envelop, type Fact, type Figures } from '#shared/events/index.ts';
import type { LocationOutcome } from '#shared/policy/decide/outcomes.ts';

const SPEC = {
  ramBytes: 1e9,
  dirtyRateBps: 1e6,
  workingSetBytes: 5e7,
  diskBytes: 0,
  downtimeLimitMs: 300,
  targetRttMs: 10,
};
const FIGURES: Figures = {
  durationMs: 12_000,
  pauseMs: 80,
  interruptionMs: 100,
  bytes: 1e9,
  bytesByPath: {},
  rounds: 3,
  subflows: 2,
  degraded: [],
};

const event = (fact: Fact): Event => envelop(fact, 'id', '/test');
const declared = (vm: string, home: string) =>
  event({ type: 'vm.declared.v1', data: { vm, atMs: 0, home, spec: SPEC } });

function decided(vm: string, seq: number, from: string, to: string, verdict: 'move' | 'stay' = 'move'): Event {
  const prediction = { durationMs: 10_000, interruptionMs: 100, bytes: 1e9, costUserMs: 1, benefitUserMs: 9 };
  const explanation: Data<'placement.decided.v1'>['explanation'] = {
    state: 'settled',
    policy: 'tagalong',
    reason: 'better-site',
    sessions: 1,
    homeServingUserMsPerS: 1,
    expectedStayMs: 1,
    oldestFixAgeMs: 0,
    candidates: [],
  };
  const decision = `${vm}:${seq}`;
  const data = { decision, vm, seq, atMs: 1000, verdict, from, to, reason: 'better-site', source: 'policy' as const };
  return event({ type: 'placement.decided.v1', data: { ...data, prediction, spec: SPEC, explanation } });
}

const moveOf = (vm: string, seq: number, from: string, to: string) => ({
  migration: `${vm}:${seq}`,
  vm,
  from,
  to,
  atMs: 2000,
});
const completed = (vm: string, seq: number, from: string, to: string, figures: Partial<Figures> = {}) =>
  event({
    type: 'migration.completed.v1',
    data: { ...moveOf(vm, seq, from, to), figures: { ...FIGURES, ...figures } },
  });

/** Four VMs with one move each: completed, failed after its switch-over, cancelled, still under way. */
const STORY: readonly Event[] = [
  declared('a', 'west'),
  declared('b', 'west'),
  declared('c', 'east'),
  declared('d', 'east'),
  decided('a', 1, 'west', 'east'),
  decided('b', 1, 'west', 'east'),
  decided('c', 1, 'east', 'west'),
  decided('d', 1, 'east', 'west'),
  decided('d', 2, 'east', 'east', 'stay'),
  completed('a', 1, 'west', 'east', { degraded: ['single-path'], subflows: 1 }),
  event({
    type: 'migration.failed.v1',
    data: {
      ...moveOf('b', 1, 'west', 'east'),
      phase: 'release',
      code: 'TIMEOUT',
      reason: 'no answer',
      runsAt: 'east',
      figures: FIGURES,
    },
  }),
  event({
    type: 'migration.cancelled.v1',
    data: { ...moveOf('c', 1, 'east', 'west'), phase: 'memory', by: 'operator', figures: { ...FIGURES, bytes: 5e8 } },
  }),
];

function tallied(events: readonly Event[]) {
  const tally = createTally();
  const moves = events.map((one) => tally.take(one)).filter((move) => move !== undefined);
  return { tally, moves };
}

const summaryOf = (events: readonly Event[]) =>
  summarize({
    fromMs: 0,
    toMs: 60_000,
    tally: tallied(events).tally,
    taken: { accepted: 90, events: 95, implausible: { 'null-island': 2, stale: 1 }, unattached: 7 },
    judged: new Map<LocationOutcome, number>([
      ['quiet', 80],
      ['looked', 8],
      ['teleport', 3],
      ['stale', 1],
    ]),
    sites: [
      { site: 'west', vms: 0 },
      { site: 'east', vms: 4 },
    ],
  });

describe('the summary of a run', () => {
  const summary = summaryOf(STORY);

  test('counts each move once, by its outcome', () => {
    expect(summary.moves).toEqual({ ordered: 4, completed: 1, failed: 1, cancelled: 1, underWay: 1 });
    expect(summary.movedBytes).toBe(2.5e9);
    expect(summary.degraded).toEqual({ 'single-path': 1 });
  });

  test('is the same if each event arrives twice', () => {
    expect(summaryOf(STORY.flatMap((one) => [one, one]))).toEqual(summary);
  });

  test('counts a VM at its site, also if its move failed after the switch-over', () => {
    expect(summary.sites).toEqual([
      { site: 'west', vmsAtFirst: 2, arrived: 0, left: 2, vmsAtEnd: 0 },
      { site: 'east', vmsAtFirst: 2, arrived: 2, left: 0, vmsAtEnd: 4 },
    ]);
  });

  test('counts each location once, by its outcome', () => {
    expect(summary.locations).toEqual({
      given: 100,
      unattached: 7,
      repeats: 3,
      quietShare: 80 / 88,
      implausible: { teleport: 3, stale: 2, 'null-island': 2 },
    });
  });

  test('compares predictions with measurements', () => {
    expect(summary.predictionError.duration!.p50).toBeCloseTo(0.2);
    expect(summary.predictionError.interruption).toEqual({ p50: 0, p95: 0, max: 0 });
  });

  test('says that no move was completed, and no location counted', () => {
    const nothing = summarize({
      fromMs: 0,
      toMs: 0,
      tally: createTally(),
      taken: { accepted: 0, events: 0, implausible: {}, unattached: 0 },
      judged: new Map(),
      sites: [],
    });
    expect(nothing).toMatchObject({ pauseMs: null, predictionError: { duration: null } });
    expect(closingTable(nothing)).toMatch(/^pause +no move was completed$/m);
    expect(closingTable(nothing)).toMatch(/^of them quiet +none counted$/m);
  });
});

test('the closing table shows the summary', () => {
  const text = closingTable(summaryOf(STORY));
  expect(text).toMatch(/^west +2 +0 +2 +0$/m);
  expect(text).toMatch(/^moves +4: 1 completed, 1 failed, 1 cancelled, 1 under way$/m);
  expect(text).toMatch(/^implausible +3 teleport, 2 null-island, 2 stale$/m);
  expect(text).toMatch(/^pause +p50 80 ms, p95 80 ms, max 80 ms$/m);
  expect(text).toMatch(/^data moved +2\.50 GB$/m);
});

test('the closing table shows the interruptions that clients and the hypervisor report', () => {
  const quiet = closingTable(summaryOf(STORY));
  expect(quiet).not.toMatch(/clients' gaps|downtime/);
  const move = completed('a', 1, 'west', 'east', { clientGapMs: 431, hypervisorDowntimeMs: 6, interruptionMs: 431 });
  const summary = summaryOf([decided('a', 1, 'west', 'east'), move]);
  expect(summary).toMatchObject({ clientGapMs: { max: 431 }, hypervisorDowntimeMs: { max: 6 } });
  const text = closingTable(summary);
  expect(text).toMatch(/^clients' gaps +p50 431 ms/m);
  expect(text).toMatch(/^hypervisor's downtime +p50 6 ms/m);
});

test('each ended move has a line with its outcome', () => {
  const [done, failed, cancelled] = tallied(STORY).moves.map((move) => moveLine(move).replaceAll(/ +/g, ' '));
  expect(done).toBe('00:00:02 a west → east 12.0 s 80 ms 100 ms 1.00 GB single-path');
  expect(failed).toBe('00:00:02 b west → east failed TIMEOUT in release: no answer (better-site)');
  expect(cancelled).toBe('00:00:02 c east → west cancelled by operator in memory (better-site)');
});

test('a line of a move fits a terminal of 80 columns', () => {
  const [move] = tallied(STORY).moves;
  const far = { ...move!, vm: 'vm-085', from: 'philadelphia', to: 'washington', reason: 'better-site' };
  const figures = { ...FIGURES, durationMs: 51_000, pauseMs: 353, interruptionMs: 356, bytes: 8.61e9 };
  expect(moveLine({ ...far, outcome: 'completed', figures }).length).toBeLessThanOrEqual(80);
});

test('percentiles are values of the list, with half and 95 % of the values at or below them', () => {
  fc.assert(
    fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
      const { p50, p95, max } = spread(values)!;
      const share = (limit: number) => values.filter((value) => value <= limit).length / values.length;
      for (const one of [p50, p95, max]) expect(values).toContain(one);
      expect(share(p50)).toBeGreaterThanOrEqual(0.5);
      expect(share(p95)).toBeGreaterThanOrEqual(0.95);
      expect(share(max)).toBe(1);
      // p50 is the smallest such value.
      expect(values.filter((value) => value < p50).length / values.length).toBeLessThan(0.5);
    }),
  );
  expect(spread([])).toBeNull();
});
