/** Users of sources that report only events. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inPlainWords } from '#shared/policy/decide/words.ts';
import { PRESENCES, type Presence } from '#shared/policy/state/presence.ts';
import { configWith, type Line, line, positionAt } from '../world.ts';

// A usual stay is too short for the price: the stay has to be proved.
const proved = configWith({ policy: { priorStayMs: 60_000, priceUserMsPerGb: 200 } });

function report(l: Line, place: number, presence?: Presence): void {
  const fix = { vm: 'v', user: 'u', atMs: Math.round(l.clock.now()), ...positionAt(place) };
  l.world.locate({ ...fix, ...(presence && { presence }) });
}

function withUser(...options: Parameters<typeof line>): Line {
  const l = line(...options);
  l.vm('v', 's0');
  l.attach('v', 'u');
  return l;
}
const explained = (l: Line) => l.world.placement.explain('v', Math.round(l.clock.now()));

describe('a user who arrived', () => {
  test('proves a stay by silence, and the VM follows without another report', () => {
    const l = withUser(2, proved);
    report(l, 1, 'arrived');
    l.pass(3_000_000);
    expect(l.homeOf('v')).toBe('s1');
  });

  test('is there beyond the time-out of sessions, until the user leaves', () => {
    const l = withUser(2);
    report(l, 0, 'arrived');
    l.pass(10 * 3_600_000);
    expect(l.stateOf('v')).toBe('settled');
    report(l, 0, 'left');
    expect(l.stateOf('v')).toBe('idle');
    expect(explained(l)).toMatchObject({ reason: 'users-left', absence: { sinceMs: Math.round(l.clock.now()) } });
    expect(inPlainWords({ ...explained(l), vm: 'v', home: 's0' }, undefined)).toContain('UTC');
    // The stay is learned to its end.
    expect(l.world.placement.vms.get('v')!.dwellTimes.bySite[0]).toMatchObject({ site: 's0' });
  });

  test('has left if both reports have the same time', () => {
    const l = withUser(2);
    report(l, 0, 'arrived');
    report(l, 0, 'left');
    report(l, 0, 'arrived');
    expect(l.stateOf('v')).toBe('idle');
  });
});

test('a steady user who falls silent is explained with the interval', () => {
  const l = withUser(2, proved);
  for (let i = 0; i < 6; i++) {
    report(l, 1, 'periodic');
    l.pass(10_000);
  }
  l.pass(800_000);
  expect(explained(l)).toMatchObject({ reason: 'users-quiet', absence: { everyMs: 10_000, silentMs: 810_000 } });
});

test('no sequence of statements holds a VM for good: it follows steady reports again', () => {
  const step = fc.record({
    place: fc.nat(2),
    presence: fc.constantFrom(undefined, ...PRESENCES),
    passedMs: fc.integer({ min: 0, max: 1_200_000 }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
      const l = withUser(3);
      for (const { place, presence, passedMs } of steps) {
        report(l, place, presence);
        l.pass(passedMs);
      }
      l.pass(3_600_000);
      for (let i = 0; i < 240; i++) {
        report(l, 2, 'periodic');
        l.pass(30_000);
      }
      expect(l.homeOf('v')).toBe('s2');
    }),
    { numRuns: 25 },
  );
});
