/** VMs that move together or not at all. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { newCore } from '#services/placement/steps.ts';
import { inPlainWords } from '#shared/policy/decide/words.ts';
import { type KeptVm, keepVm, reviveVm } from '#shared/policy/state/kept-vm.ts';
import { configWith, type Line, line, SPEC } from '../world.ts';

const policy = { priorStayMs: 36_000_000, coolingMs: 0, returnPauseMs: 0 };
const wide = configWith({ policy, limits: { movesPerSite: 100, movesPerPath: 100 } });
const narrow = configWith({ policy, limits: { movesPerSite: 1, movesPerPath: 1 } });
const TIERS = ['shop::web', 'shop::app', 'shop::db'];
const group = { lead: 'shop::web', apartUserMsPerS: 10 };

/** Users are attached to the lead alone; `declared` overrules where a tier is, and what else is declared of it. */
function shop(sites: number, config = wide, declared: Record<string, [home: string, more?: object]> = {}): Line {
  const l = line(sites, config);
  for (const tier of TIERS) {
    const [home, more] = declared[tier] ?? ['s0'];
    l.vm(tier, home, SPEC, { group, ...more });
  }
  l.attach('shop::web', 'u');
  return l;
}

function stay(l: Line, place: number, minutes = 10): void {
  for (let i = 0; i < minutes; i++) {
    l.fix('shop::web', 'u', place);
    l.pass(60_000);
  }
}
const homes = (l: Line) => TIERS.map((tier) => l.homeOf(tier));
const explained = (l: Line, vm: string) => l.world.placement.explain(vm, Math.round(l.clock.now()));

describe('a group', () => {
  test('moves at one instant, in order of names', () => {
    const l = shop(2);
    stay(l, 1);
    expect(homes(l)).toEqual(['s1', 's1', 's1']);
    const moves = l.decided('move');
    expect(moves.map(({ vm, reason }) => [vm, reason])).toEqual([
      ['shop::web', 'better-site'],
      ['shop::app', 'with-lead'],
      ['shop::db', 'with-lead'],
    ]);
    expect(new Set(moves.map(({ atMs }) => atMs)).size).toBe(1);
    expect(inPlainWords(explained(l, 'shop::db'), undefined)).toBe(
      'shop::db stays at s1 with shop::web, the lead of its group.',
    );
  });

  test('moves one after the other where the limits ask for it, and arrives as a whole', () => {
    const l = shop(2, narrow);
    stay(l, 1);
    expect(homes(l)).toEqual(['s1', 's1', 's1']);
    expect(l.decided('move')).toHaveLength(3);
  });

  test.each([
    ['may not run there', { 'shop::db': ['s0', { allowed: ['s0'] }] }, 'group-not-allowed'],
    ['is kept apart from a VM there', { 'shop::db': ['s0', { apart: 'shop' }] }, 'group-not-allowed'],
  ] as const)('stays as a whole if one of it %s', (_, declared, rejected) => {
    const l = shop(2, wide, declared as never);
    l.vm('shop::other-db', 's1', SPEC, { apart: 'shop' });
    stay(l, 1);
    expect(homes(l)).toEqual(['s0', 's0', 's0']);
    expect(explained(l, 'shop::web').candidates.find(({ site }) => site === 's1')).toMatchObject({ rejected });
  });

  test('stays as a whole where there is no room for all of it', () => {
    const l = shop(2);
    l.site(1, { slots: 2 });
    stay(l, 1);
    expect(homes(l)).toEqual(['s0', 's0', 's0']);
    expect(explained(l, 'shop::web').candidates.find(({ site }) => site === 's1')).toMatchObject({
      rejected: 'group-full',
    });
    l.site(1, { slots: 3 });
    stay(l, 1);
    expect(homes(l)).toEqual(['s1', 's1', 's1']);
  });

  test('pays for all its moves and for the time apart: the gain that moves one VM does not move three', () => {
    const price = configWith({ policy: { ...policy, priceUserMsPerGb: 4_000 } });
    const alone = line(2, price);
    alone.vm('shop::web', 's0');
    alone.attach('shop::web', 'u');
    stay(alone, 1);
    expect(alone.homeOf('shop::web')).toBe('s1');
    const l = shop(2, price);
    stay(l, 1);
    expect(homes(l)).toEqual(['s0', 's0', 's0']);
    const costOf = (at: Line) =>
      explained(at, 'shop::web').candidates.find(({ site }) => site === 's1')!.prediction!.costUserMs;
    const one = line(2, price);
    one.vm('shop::web', 's0');
    one.attach('shop::web', 'u');
    one.fix('shop::web', 'u', 1);
    expect(costOf(l)).toBeGreaterThan(3 * costOf(one));
  });

  test('turns back as a whole when its users do', () => {
    const l = shop(2);
    stay(l, 1, 1);
    l.fix('shop::web', 'u', 1);
    expect(l.decided('move').length).toBeGreaterThan(0);
    stay(l, 0, 30);
    expect(homes(l)).toEqual(['s0', 's0', 's0']);
  });

  test('calls off the moves of those that follow when the lead’s is called off', () => {
    const l = shop(2);
    l.fix('shop::web', 'u', 1);
    l.pass(6_000);
    expect(l.decided('move')).toHaveLength(3);
    l.fix('shop::web', 'u', 0);
    l.pass(120_000);
    expect(l.decided('cancel').map(({ vm, reason }) => [vm, reason])).toEqual([
      ['shop::web', 'overtaken'],
      ['shop::app', 'lead-elsewhere'],
      ['shop::db', 'lead-elsewhere'],
    ]);
    expect(homes(l)).toEqual(['s0', 's0', 's0']);
  });

  test('comes together where its VMs were declared at several sites', () => {
    const l = shop(3, wide, { 'shop::app': ['s1'], 'shop::db': ['s2'] });
    l.pass(300_000);
    expect(homes(l)).toEqual(['s0', 's0', 's0']);
  });

  test('comes together but for a VM that cannot come, because it is kept apart from one there', () => {
    const l = line(3, wide);
    l.vm('shop::other', 's0', SPEC, { apart: 'shop' });
    l.vm('shop::web', 's0', SPEC, { group });
    l.vm('shop::app', 's1', SPEC, { group, apart: 'shop' });
    l.vm('shop::db', 's1', SPEC, { group });
    l.pass(300_000);
    expect(homes(l)).toEqual(['s0', 's1', 's0']);
    expect(explained(l, 'shop::app').reason).toBe('with-lead-kept-apart');
  });

  test('goes with its lead on an operator’s order, and no other VM of it can be ordered away', () => {
    const l = shop(3);
    expect(() => l.order('shop::db', 's1')).toThrow(expect.objectContaining({ code: 'MOVE_REFUSED' }));
    l.order('shop::web', 's1');
    l.pass(300_000);
    expect(homes(l)).toEqual(['s1', 's1', 's1']);
  });

  test('evacuates to one site that takes all, although a nearer one takes some', () => {
    const l = shop(3);
    l.site(1, { slots: 2 });
    l.site(0, { draining: true });
    l.pass(600_000);
    expect(homes(l)).toEqual(['s2', 's2', 's2']);
  });

  test('is torn apart by an evacuation where no site takes all, and comes together again', () => {
    const l = shop(3);
    l.site(1, { slots: 2 });
    l.site(2, { slots: 2 });
    l.site(0, { draining: true });
    l.pass(600_000);
    expect(homes(l)).not.toContain('s0');
    expect(new Set(homes(l)).size).toBe(2);
    l.site(1, { slots: 9 });
    l.site(2, { slots: 9 });
    l.pass(600_000);
    expect(new Set(homes(l)).size).toBe(1);
  });

  test('is none without its lead: a VM that followed decides for itself, by its users', () => {
    const l = shop(2);
    l.attach('shop::app', 'v');
    l.fix('shop::app', 'v', 1);
    l.pass(600_000);
    expect(l.homeOf('shop::app')).toBe('s0');
    l.world.tell({ type: 'vm.retired.v1', data: { vm: 'shop::web', atMs: Math.round(l.clock.now()) } });
    for (let i = 0; i < 10; i++) {
      l.fix('shop::app', 'v', 1);
      l.pass(60_000);
    }
    expect([l.homeOf('shop::app'), l.homeOf('shop::db')]).toEqual(['s1', 's0']);
  });
});

describe('a group whose process ends', () => {
  const recordOf = ({ world: { placement } }: Line, vm: string) =>
    structuredClone(keepVm(placement.vms.get(vm)!, placement.sites));
  /** The decisions of a process that begins with these records. */
  const decidedAfter = ({ world, clock }: Line, records: readonly KeptVm[], passedMs = 0) => {
    const core = newCore(wide);
    const nowMs = Math.round(clock.now());
    for (const fact of world.placement.sites.facts()) core.apply(fact, nowMs);
    for (const record of records) core.restore(reviveVm(record, core.sites));
    core.drain();
    core.resume(nowMs);
    core.advance(nowMs + passedMs);
    return core.drain().decisions.map(({ vm, verdict, reason }) => [vm, verdict, reason]);
  };

  test('between the write of its lead and those of the others follows all the same, and otherwise decides nothing anew', () => {
    const l = shop(2);
    const [, ...before] = TIERS.map((tier) => recordOf(l, tier));
    l.fix('shop::web', 'u', 1);
    l.pass(6_000);
    expect(l.decided('move')).toHaveLength(3);
    const after = TIERS.map((tier) => recordOf(l, tier));
    expect(decidedAfter(l, [after[0]!, ...before])).toEqual([
      ['shop::app', 'move', 'with-lead'],
      ['shop::db', 'move', 'with-lead'],
    ]);
    expect(decidedAfter(l, after)).toEqual([]);
  });

  test('after its lead’s move was called off, and before those of the others were, calls these off, too', () => {
    const l = shop(2);
    l.fix('shop::web', 'u', 1);
    l.pass(6_000);
    const [, ...before] = TIERS.map((tier) => recordOf(l, tier));
    l.fix('shop::web', 'u', 0);
    expect(l.decided('cancel')).toHaveLength(3);
    expect(decidedAfter(l, [recordOf(l, 'shop::web'), ...before])).toEqual([
      ['shop::app', 'cancel', 'lead-elsewhere'],
      ['shop::db', 'cancel', 'lead-elsewhere'],
    ]);
  });

  test('after its lead was retired lets those that followed decide for themselves', () => {
    const l = shop(2);
    l.attach('shop::app', 'v');
    l.fix('shop::app', 'v', 1);
    l.pass(1_000);
    const [, app] = TIERS.map((tier) => recordOf(l, tier));
    expect(decidedAfter(l, [app!], 8_000)).toEqual([['shop::app', 'move', 'better-site']]);
  });
});

test('after any history a group comes together', () => {
  const step = fc.oneof(
    { arbitrary: fc.record({ kind: fc.constant('user'), place: fc.nat(3) }), weight: 4 },
    fc.record({ kind: fc.constant('order'), place: fc.nat(3) }),
    fc.record({ kind: fc.constant('drain'), place: fc.nat(3) }),
    fc.record({ kind: fc.constant('open'), place: fc.nat(3) }),
  );
  const steps = fc.array(fc.record({ step, passedMs: fc.integer({ min: 0, max: 200_000 }) }), {
    minLength: 5,
    maxLength: 20,
  });
  let moves = 0;
  fc.assert(
    fc.property(steps, fc.boolean(), (run, isNarrow) => {
      const l = shop(4, isNarrow ? narrow : wide);
      for (const {
        step: { kind, place },
        passedMs,
      } of run) {
        if (kind === 'user') l.fix('shop::web', 'u', place);
        if (kind === 'drain') l.site(place, { draining: true });
        if (kind === 'open') l.site(place);
        try {
          if (kind === 'order') l.order('shop::web', `s${place}`);
        } catch (error) {
          expect(error).toMatchObject({ code: 'MOVE_REFUSED' });
        }
        l.pass(passedMs);
      }
      for (let i = 0; i < 4; i++) l.site(i);
      l.pass(3_600_000);
      expect(new Set(homes(l)).size).toBe(1);
      moves += l.decided('move').length;
    }),
    { numRuns: 60 },
  );
  expect(moves).toBeGreaterThan(100);
});
