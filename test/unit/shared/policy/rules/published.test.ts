import { describe, expect, test } from 'vitest';
import { DEFAULT_NETWORK } from '#shared/model/network.ts';
import { LIVE_NAMES, policyFor } from '#shared/policy/rules/named.ts';
import { lyapunov } from '#shared/policy/rules/published/lyapunov.ts';
import { mdp } from '#shared/policy/rules/published/mdp.ts';
import type { PlacementRule, RuleInput } from '#shared/policy/rules/published/rule.ts';
import { hysteresis, myopic } from '#shared/policy/rules/published/simple.ts';
import { skiRental } from '#shared/policy/rules/published/ski-rental.ts';
import { workFunction } from '#shared/policy/rules/published/work-function.ts';
import type { Site } from '#shared/policy/state/state.ts';
import { configWith, line } from '../world.ts';

const MOVE_USER_MS = 300;
const MINUTE_MS = 60_000;

/** The input of a rule: a VM with sites in a row, ten kilometres apart. The home is first. */
function view(names: readonly string[], serving: readonly number[], more: Partial<RuleInput> = {}): RuleInput {
  return {
    vm: 'v',
    nowMs: 0,
    sites: names.map((id) => ({ id }) as Site),
    serving,
    best: serving.indexOf(Math.min(...serving)),
    weight: 1,
    usualDwellMs: 10 * MINUTE_MS,
    moveCostUserMs: (from, to) => (from === to ? 0 : MOVE_USER_MS),
    moveMs: (from, to) => (from === to ? 0 : 20_000),
    km: (from, to) => 10 * Math.abs(from - to),
    ...more,
  };
}

/** The sites that a rule chooses, minute by minute; each choice takes effect at once. The memory survives JSON. */
function wants(rule: PlacementRule, minutes: readonly Record<string, number>[]): string[] {
  let home = Object.keys(minutes[0]!)[0]!;
  let memory: object | undefined;
  return minutes.map((serving, minute) => {
    const names = [home, ...Object.keys(serving).filter((name) => name !== home)];
    const seen = view(
      names,
      names.map((name) => serving[name]!),
      { nowMs: minute * MINUTE_MS },
    );
    memory = JSON.parse(JSON.stringify(memory ?? rule.begin(seen))) as object;
    home = names[rule.choose(seen, memory)]!;
    return home;
  });
}

const minutes = (count: number, serving: Record<string, number>) => Array.from({ length: count }, () => serving);
const leavesAfter = (rule: PlacementRule, gain: number) => wants(rule, minutes(100, { a: gain, b: 0 })).indexOf('b');

describe('a published rule leaves a worse site', () => {
  test.each<[PlacementRule, number, number]>([
    [hysteresis(2), 2, 0],
    [hysteresis(2), 1.99, -1],
    // A move costs 60 s × 5.
    [myopic(60), 5.01, 0],
    [myopic(60), 5, -1],
    [myopic(120), 2.51, 0],
    // The loss reaches 300 user-ms after 150 s at 2 a second, in the third minute.
    [skiRental(1), 2, 3],
    [skiRental(2), 2, 5],
    [lyapunov(10_000, 0.5), 2, 0],
    // The loss reaches 600 user-ms, the cost of two moves, after 5 minutes at 2 a second.
    [workFunction, 2, 6],
  ])('$name: for a site that saves $1 user-ms a second, after $2 minutes', (rule, gain, after) => {
    expect(leavesAfter(rule, gain)).toBe(after);
  });
});

test('the margin of hysteresis counts per user', () => {
  const two = (gain: number) => view(['a', 'b'], [gain, 0], { weight: 2 });
  const rule = hysteresis(2);
  expect([3.9, 4].map((gain) => rule.choose(two(gain), rule.begin(two(gain))))).toEqual([0, 1]);
});

test('ski-rental forgets its regret when the home is best again, and after a move', () => {
  const rule = skiRental(1);
  const back = [...minutes(3, { a: 2, b: 0 }), { a: 0, b: 2 }, ...minutes(3, { a: 2, b: 0 })];
  expect(wants(rule, back)).toEqual(Array(7).fill('a'));
  const onwards = [...minutes(4, { a: 2, b: 0, c: 4 }), ...minutes(4, { a: 4, b: 2, c: 0 })];
  expect(wants(rule, onwards)).toEqual(['a', 'a', 'a', 'b', 'b', 'b', 'b', 'c']);
});

test('the work function and ski-rental stay while two sites take turns, and hysteresis always moves', () => {
  const turns = Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? { a: 0, b: 2 } : { a: 2, b: 0 }));
  const moves = (rule: PlacementRule) =>
    wants(rule, turns).filter((home, i, all) => i > 0 && home !== all[i - 1]).length;
  expect(moves(hysteresis(1))).toBe(59);
  expect(moves(workFunction)).toBe(0);
  expect(moves(skiRental(1))).toBe(0);
});

test('drift plus penalty moves at once, and then within its budget', () => {
  const hours = 20;
  const turns = Array.from({ length: hours * 60 }, (_, i) => (i % 2 === 0 ? { a: 0, b: 2 } : { a: 2, b: 0 }));
  const homes = wants(lyapunov(1000, 0.1), turns);
  const moves = homes.filter((home, i) => i > 0 && home !== homes[i - 1]).length;
  const allowed = (0.1 * hours * 3600) / MOVE_USER_MS;
  expect(homes.slice(0, 2)).toEqual(['a', 'b']);
  expect(moves).toBeGreaterThan(0.8 * allowed);
  expect(moves).toBeLessThanOrEqual(allowed + 1);
});

test('the decision process follows users who stay, and not users who pass', () => {
  const rule = mdp(DEFAULT_NETWORK);
  const staying = (usualDwellMs: number) => {
    const seen = view(['a', 'b', 'c'], [2.2, 0, 2.2], {
      usualDwellMs,
      moveCostUserMs: (from, to) => (from === to ? 0 : 600),
    });
    return rule.choose(seen, rule.begin(seen));
  };
  expect(staying(60 * MINUTE_MS)).toBe(1);
  expect(staying(MINUTE_MS / 2)).toBe(0);
});

describe('published rules as policies', () => {
  /** A user goes to the next site and stays there. @returns the minute in which the VM has followed; undefined: it has not */
  const followsAt = (name: string) => {
    const l = line(3, configWith({ policy: { name } }));
    l.vm('v', 's0');
    l.attach('v', 'u');
    for (let minute = 0; minute < 60; minute++) {
      l.fix('v', 'u', minute < 5 ? 0 : 1);
      l.pass(MINUTE_MS);
      if (l.homeOf('v') === 's1') return minute;
    }
    return undefined;
  };
  const names = LIVE_NAMES.filter((name) => name !== 'never');
  test.each(names)('%s follows a user who stays', (name) => {
    expect(names.length).toBeGreaterThan(6);
    expect(followsAt(name)).toBeGreaterThanOrEqual(5);
  });
  test('myopic does not follow if its slot is too short to pay for a move', () => {
    expect(followsAt('myopic(10)')).toBeUndefined();
  });
  test('the memory of a rule ends when the last user falls silent', () => {
    const l = line(2, configWith({ policy: { name: 'ski-rental(1)' } }));
    l.vm('v', 's0');
    l.attach('v', 'u');
    l.fix('v', 'u', 1);
    expect(l.world.placement.vms.get('v')!.memory).toMatchObject({ home: 's0', userMs: 0 });
    l.pass(20 * MINUTE_MS);
    expect(l.world.placement.vms.get('v')!.memory).toBeNull();
  });
  test('a rule that changes its choice during a move cancels the move', () => {
    const l = line(2, configWith({ policy: { name: 'hysteresis(2)' } }));
    l.vm('v', 's0');
    l.attach('v', 'u');
    l.fix('v', 'u', 1);
    l.pass(1000);
    expect(l.stateOf('v')).toBe('moving');
    l.fix('v', 'u', 0);
    expect(l.decided('cancel')).toHaveLength(1);
  });
});

describe('names', () => {
  const named = (name: string) => policyFor(name, configWith().policy, DEFAULT_NETWORK).name;
  test('a name holds the parameters, with defaults', () => {
    expect(named('hysteresis(2.5)')).toBe('hysteresis(2.5)');
    expect(named('lyapunov(1000)')).toBe('lyapunov(1000,0.5)');
    expect(LIVE_NAMES.map(named)).toEqual(
      expect.arrayContaining(['tagalong', 'nearest', 'never', 'ski-rental(1)', 'myopic(60)', 'mdp', 'work-function']),
    );
  });
  test.each([
    'always',
    'toString',
    'hysteresis()',
    'hysteresis(-1)',
    'hysteresis(1,2)',
    'mdp(1)',
    'nearest(1)',
    'never(',
  ])('%s is no name of a policy', (name) => {
    expect(() => named(name)).toThrow(expect.objectContaining({ code: 'POLICY_UNKNOWN' }));
  });
  test.each(['optimum', 'look-ahead(300)', 'learned-mdp'])(
    '%s does not run live, and the error names simulate',
    (name) => {
      expect(() => named(name)).toThrow(
        expect.objectContaining({ code: 'POLICY_UNKNOWN', message: expect.stringContaining('simulate only') }),
      );
    },
  );
});
