/** VMs of which no two run at one site. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inPlainWords } from '#shared/policy/decide/words.ts';
import { configWith, type Line, line, SPEC } from '../world.ts';

const eager = configWith({ policy: { priorStayMs: 36_000_000, coolingMs: 0, returnPauseMs: 0 } });
const NAMES = ['set::a', 'set::b', 'set::c'];

/** Three VMs of one set, at the first three sites, with a user each. */
function replicas(sites: number): Line {
  const l = line(sites, eager);
  for (const [i, vm] of NAMES.entries()) {
    l.vm(vm, `s${i}`, SPEC, { apart: 'set' });
    l.attach(vm, `u-${vm}`);
  }
  return l;
}

function stay(l: Line, vm: string, place: number, minutes = 10): void {
  for (let i = 0; i < minutes; i++) {
    l.fix(vm, `u-${vm}`, place);
    l.pass(60_000);
  }
}
const explained = (l: Line, vm: string) => l.world.placement.explain(vm, Math.round(l.clock.now()));

describe('a VM that is kept apart', () => {
  test('goes to the best site that none of the others has, and says why it leaves out a better one', () => {
    const l = replicas(5);
    stay(l, 'set::a', 1.2);
    // The user is nearest to s1, where b is, then to s2, where c is; s0 is as good as it gets.
    expect(l.homeOf('set::a')).toBe('s0');
    expect(l.decided('move')).toEqual([]);
    const why = explained(l, 'set::a');
    expect(why.candidates.find(({ site }) => site === 's1')).toMatchObject({ rejected: 'kept-apart' });
    expect(inPlainWords(why, undefined)).toContain('from which this one is kept apart is there');
    stay(l, 'set::b', 4);
    expect(l.homeOf('set::b')).toBe('s4');
    stay(l, 'set::a', 1.2);
    expect(l.homeOf('set::a')).toBe('s1');
  });

  test('cannot be ordered to the site of another one', () => {
    const l = replicas(4);
    expect(() => l.order('set::a', 's1')).toThrow(expect.objectContaining({ code: 'MOVE_REFUSED' }));
  });

  test('shares a site only when an evacuation finds no other, and leaves it as soon as there is one', () => {
    const l = replicas(3);
    l.site(0, { draining: true });
    l.pass(120_000);
    expect(['s1', 's2']).toContain(l.homeOf('set::a'));
    const [first] = NAMES.filter((vm) => vm !== 'set::a' && l.homeOf(vm) === l.homeOf('set::a'));
    expect(explained(l, first!)).toMatchObject({ state: 'evacuating', reason: 'home-shared' });
    expect(inPlainWords(explained(l, first!), undefined)).toContain('kept apart from');
    l.site(0);
    l.pass(120_000);
    expect(new Set(NAMES.map((vm) => l.homeOf(vm))).size).toBe(3);
    expect(l.decided('move').map(({ source }) => source)).toEqual(['evacuation', 'evacuation']);
  });

  test('leaves where two were declared at one site', () => {
    const l = line(3, eager);
    for (const vm of NAMES) l.vm(vm, 's0', SPEC, { apart: 'set' });
    l.pass(300_000);
    expect(l.homeOf('set::a')).toBe('s0');
    expect(new Set(NAMES.map((vm) => l.homeOf(vm))).size).toBe(3);
  });

  test('moves freely once the others are retired', () => {
    const l = replicas(3);
    l.world.tell({ type: 'vm.retired.v1', data: { vm: 'set::b', atMs: Math.round(l.clock.now()) } });
    stay(l, 'set::a', 1);
    expect(l.homeOf('set::a')).toBe('s1');
  });
});

test('no order of policy or operator brings two of a set to one site', () => {
  const vm = fc.constantFrom(...NAMES);
  const step = fc.oneof(
    { arbitrary: fc.record({ kind: fc.constant('user'), vm, place: fc.nat(4) }), weight: 4 },
    fc.record({ kind: fc.constant('order'), vm, place: fc.nat(4) }),
    fc.record({ kind: fc.constant('drain'), vm, place: fc.nat(4) }),
    fc.record({ kind: fc.constant('open'), vm, place: fc.nat(4) }),
  );
  const steps = fc.array(fc.record({ step, passedMs: fc.integer({ min: 0, max: 400_000 }) }), {
    minLength: 5,
    maxLength: 25,
  });
  let moves = 0;
  fc.assert(
    fc.property(steps, (run) => {
      const l = replicas(5);
      const at = new Map(NAMES.map((name, i) => [name, new Set([`s${i}`])]));
      let read = 0;
      /** Follows what is published: a VM needs room where it is, and where it goes. */
      const follow = () => {
        for (const fact of l.facts.slice(read)) {
          if (fact.type === 'placement.decided.v1' && fact.data.verdict === 'move') {
            const { vm: name, to, source } = fact.data;
            if (source !== 'evacuation') {
              moves++;
              for (const other of NAMES) if (other !== name) expect([...at.get(other)!]).not.toContain(to);
            }
            at.get(name)!.add(to);
          }
          if (fact.type === 'migration.completed.v1') at.set(fact.data.vm, new Set([fact.data.to]));
          if (fact.type === 'migration.failed.v1') at.set(fact.data.vm, new Set([fact.data.runsAt]));
          if (fact.type === 'migration.cancelled.v1') at.set(fact.data.vm, new Set([fact.data.from]));
        }
        read = l.facts.length;
      };
      for (const {
        step: { kind, vm: name, place },
        passedMs,
      } of run) {
        if (kind === 'user') l.fix(name, `u-${name}`, place);
        if (kind === 'drain') l.site(place, { draining: true });
        if (kind === 'open') l.site(place);
        try {
          if (kind === 'order') l.order(name, `s${place}`);
        } catch (error) {
          expect(error).toMatchObject({ code: 'MOVE_REFUSED' });
        }
        follow();
        l.pass(passedMs);
        follow();
      }
    }),
    { numRuns: 60 },
  );
  expect(moves).toBeGreaterThan(100);
});
