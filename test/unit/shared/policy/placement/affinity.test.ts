/** Sites where a VM may run, and where it had better run. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inPlainWords } from '#shared/policy/decide/words.ts';
import { configWith, type Line, line, SPEC } from '../world.ts';

/** Every stay counts as long, so that a better site is worth its move at once. */
const eager = configWith({ policy: { priorStayMs: 36_000_000, coolingMs: 0, returnPauseMs: 0 } });

function withUser(sites: number, affinity: Parameters<Line['vm']>[3], config = eager): Line {
  const l = line(sites, config);
  l.vm('v', 's0', SPEC, affinity);
  l.attach('v', 'u');
  return l;
}

/** The user stays at a place for so long, and reports. */
function stay(l: Line, place: number, minutes = 10): void {
  for (let i = 0; i < minutes; i++) {
    l.fix('v', 'u', place);
    l.pass(60_000);
  }
}
const explained = (l: Line) => l.world.placement.explain('v', Math.round(l.clock.now()));

describe('allowed sites', () => {
  test('a VM follows to the best allowed site, even if others are nearer to the user', () => {
    // The user has six sites that are nearer than s1, and s9 is allowed, but far.
    const l = withUser(12, { allowed: ['s0', 's1', 's9'] });
    stay(l, 6);
    expect(l.homeOf('v')).toBe('s9');
    stay(l, 4);
    expect(l.homeOf('v')).toBe('s1');
  });

  test('a VM whose users are best served at a forbidden site is settled, and says why', () => {
    const l = withUser(3, { allowed: ['s0'] });
    stay(l, 1);
    expect([l.homeOf('v'), l.stateOf('v')]).toEqual(['s0', 'settled']);
    // No retries: nothing will change.
    expect(l.decided()).toEqual([]);
    const why = explained(l);
    expect(why.candidates.find(({ site }) => site === 's1')).toMatchObject({ rejected: 'not-allowed' });
    expect(inPlainWords(why, undefined)).toContain('is not allowed to run there. It can');
  });

  test('a VM decides alike with and without explanations, and does not drift to a better site that is forbidden', () => {
    const [explained, unexplained] = [true, false].map((explains) => {
      const l = line(5, eager, undefined, explains);
      l.vm('v', 's1', SPEC, { allowed: ['s0', 's1'] });
      l.attach('v', 'u');
      l.site(0, { draining: true });
      // It drifts, and waits for s0; then s1 becomes the best of its sites again.
      stay(l, 0, 2);
      expect(l.stateOf('v')).toBe('drifting');
      stay(l, 4);
      return {
        state: l.stateOf('v'),
        decided: l.decided().map(({ verdict, reason, atMs }) => [verdict, reason, atMs]),
      };
    });
    expect(explained).toEqual({ state: 'settled', decided: [['stay', 'home-is-best', expect.any(Number)]] });
    expect(unexplained).toEqual(explained);
  });

  test('an operator cannot order a VM to a forbidden site', () => {
    const l = withUser(2, { allowed: ['s0'] });
    stay(l, 0, 1);
    expect(() => l.order('v', 's1')).toThrow(expect.objectContaining({ code: 'MOVE_REFUSED' }));
  });

  test('an evacuation goes to allowed sites only, however far they are, and else waits', () => {
    const l = withUser(40, { allowed: ['s0', 's39'] });
    stay(l, 0, 1);
    l.site(39, { draining: true });
    l.site(0, { draining: true });
    l.pass(600_000);
    expect([l.homeOf('v'), l.stateOf('v')]).toEqual(['s0', 'evacuating']);
    expect(explained(l).reason).toBe('home-draining');
    l.site(39);
    l.pass(600_000);
    expect(l.homeOf('v')).toBe('s39');
  });

  test('a VM leaves a home that a new declaration forbids, also without users', () => {
    const l = line(3, eager);
    l.vm('v', 's0');
    l.pass(1_000);
    l.vm('v', 's0', SPEC, { allowed: ['s2', 's1'] });
    expect(explained(l)).toMatchObject({ state: 'moving', affinity: { allowed: ['s2', 's1'] } });
    l.pass(120_000);
    expect(l.homeOf('v')).toBe('s2');
    expect(l.decided('move')).toMatchObject([{ source: 'evacuation', reason: 'home-not-allowed' }]);
    l.vm('v', 's0', SPEC, { allowed: ['s7'] });
    l.pass(120_000);
    expect([l.stateOf('v'), explained(l).reason]).toEqual(['evacuating', 'home-not-allowed']);
  });
});

describe('preferences', () => {
  // 100 km cost 2.1 ms, and transit 2 ms, for one user of weight 1.
  test('a VM stays at a preferred site while users are near others, and returns to it', () => {
    const l = withUser(3, { preferred: ['s0'], preferenceUserMsPerS: 50 });
    stay(l, 2);
    expect(l.homeOf('v')).toBe('s0');
    l.order('v', 's2');
    stay(l, 2);
    expect(l.decided('move')).toMatchObject([
      { source: 'operator', to: 's2' },
      { source: 'policy', to: 's0' },
    ]);
    expect(l.homeOf('v')).toBe('s0');
  });

  test('a VM goes to a site that it does not prefer where that serves better by more than it costs', () => {
    const l = withUser(3, { preferred: ['s0'], preferenceUserMsPerS: 1 });
    stay(l, 2);
    expect(l.homeOf('v')).toBe('s2');
  });

  test('a VM passes by an avoided site for the second best', () => {
    const l = withUser(4, { avoided: ['s2'] });
    stay(l, 2.1);
    expect(l.homeOf('v')).toBe('s3');
  });

  test('an evacuation prefers, too, and goes to an avoided site where there is no other', () => {
    const l = withUser(3, { avoided: ['s1'] });
    l.site(0, { draining: true });
    l.pass(60_000);
    expect(l.homeOf('v')).toBe('s2');
    l.site(2, { draining: true });
    l.pass(60_000);
    expect(l.homeOf('v')).toBe('s1');
  });
});

test('no history brings a VM to a site where it may not run', () => {
  const sites = ['s0', 's1', 's2', 's3'];
  const step = fc.oneof(
    fc.record({ kind: fc.constant('user'), place: fc.integer({ min: 0, max: 30 }) }),
    fc.record({ kind: fc.constant('drain'), place: fc.nat(3) }),
    fc.record({ kind: fc.constant('open'), place: fc.nat(3) }),
    fc.record({ kind: fc.constant('order'), place: fc.nat(3) }),
  );
  const run = fc.record({
    allowed: fc.subarray(sites.slice(1)).map((others) => ['s0', ...others]),
    avoided: fc.subarray(sites),
    steps: fc.array(fc.record({ step, passedMs: fc.integer({ min: 0, max: 400_000 }) }), {
      minLength: 5,
      maxLength: 20,
    }),
  });
  let moves = 0;
  fc.assert(
    fc.property(run, ({ allowed, avoided, steps }) => {
      const l = withUser(4, { allowed, avoided });
      for (const { step, passedMs } of steps) {
        const { kind, place } = step;
        if (kind === 'user') l.fix('v', 'u', place / 10);
        if (kind === 'drain') l.site(place, { draining: true });
        if (kind === 'open') l.site(place);
        try {
          if (kind === 'order') l.order('v', `s${place}`);
        } catch (error) {
          expect(error).toMatchObject({ code: 'MOVE_REFUSED' });
        }
        l.pass(passedMs);
      }
      const went = l.decided('move').map(({ to }) => to);
      moves += went.length;
      for (const to of went) expect(allowed).toContain(to);
    }),
    { numRuns: 100 },
  );
  expect(moves).toBeGreaterThan(100);
});
