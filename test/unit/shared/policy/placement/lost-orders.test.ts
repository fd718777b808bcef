/** An order that no migrator ever takes up: it is called off, and what it held at its destination comes back. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Data, Fact } from '#shared/events/index.ts';
import { Migrations } from '#shared/migration/migrations.ts';
import { NOTHING_MEASURED } from '#shared/model/measured.ts';
import { Placement } from '#shared/policy/placement.ts';
import { type KeptVm, keepVm, reviveVm } from '#shared/policy/state/kept-vm.ts';
import { configWith, positionAt, SPEC, START_MS, UPLINKS } from '../world.ts';

type Decided = Data<'placement.decided.v1'>;

const config = configWith({ policy: { siteSilentMs: 1e9 }, heartbeatMs: 1e8 });
const { network, move, policy, limits } = config;
const settings = { network, policy, limits, move: { ...move, postCopy: false } };
const fresh = () => new Placement({ ...settings, plausibility: config.ingest.plausibility });

/** Placement and migrator with nobody between them: a test hands on what is to arrive. */
function apart(vms: readonly string[] = ['v']) {
  const placement = fresh();
  const migrations = new Migrations(limits);
  let nowMs = START_MS;
  const both = (fact: Fact) => {
    placement.apply(fact, nowMs);
    migrations.apply(fact, nowMs);
  };
  for (const i of [0, 1]) {
    const rest = {
      lat: positionAt(i).lat,
      lon: positionAt(i).lon,
      slots: 10,
      uplinks: UPLINKS,
      vms: [],
      draining: false,
    };
    both({ type: 'site.reported.v1', data: { site: `s${i}`, atMs: nowMs, ...rest } });
  }
  const declare = (vm: string) => both({ type: 'vm.declared.v1', data: { vm, atMs: ++nowMs, home: 's0', spec: SPEC } });
  for (const vm of vms) declare(vm);
  const [accepted, ended]: string[][] = [[], []];
  /** Hands on what the migrator says, and answers it as hosts do that finish no step. */
  const hear = (): string[] => {
    const { events, orders } = migrations.drain();
    for (const { fact } of events) {
      placement.apply(fact, nowMs);
      if (fact.type === 'migration.accepted.v1') accepted!.push(fact.data.migration);
      if (/completed|failed|cancelled/.test(fact.type)) ended!.push(fact.data.migration);
    }
    for (const { kind, move } of orders) {
      const answer = { id: move.id, measured: NOTHING_MEASURED };
      if (kind === 'abort') migrations.report({ ...answer, kind: 'aborted' }, nowMs);
      if (kind !== 'inspect') continue;
      migrations.report({ ...answer, kind: 'inspected', runsAt: move.from, done: [], underWay: undefined }, nowMs);
    }
    const types = events.map(({ fact }) => fact.type);
    return orders.length === 0 ? types : [...types, ...hear()];
  };
  return {
    placement,
    migrations,
    accepted: accepted!,
    ended: ended!,
    declare,
    retire: (vm: string) => both({ type: 'vm.retired.v1', data: { vm, atMs: ++nowMs } }),
    order(vm: string): readonly Decided[] {
      placement.order(vm, 's1', nowMs);
      return placement.drain().decisions;
    },
    /** Lets time pass. @returns what was decided then */
    pass(ms: number): readonly Decided[] {
      nowMs += ms;
      placement.advance(nowMs);
      migrations.advance(nowMs);
      return placement.drain().decisions;
    },
    /** Hands a decision to the migrator, and what it says back to placement. @returns what it said */
    deliver(data: Decided): string[] {
      migrations.apply({ type: 'placement.decided.v1', data }, nowMs);
      return hear();
    },
    /** Takes a move back, as an operator would. */
    cancel(id: string): void {
      migrations.cancel(id, 'test', nowMs);
      hear();
    },
    hear,
    inbound: () => placement.sites.known('s1').inbound,
  };
}

/** A placement that begins with the VM as it is on record. */
function restarted(of: Placement, vm: KeptVm): Placement {
  const next = fresh();
  for (const fact of of.sites.facts()) next.apply(fact, START_MS);
  next.restore(reviveVm(JSON.parse(JSON.stringify(vm)), next.sites));
  return next;
}

const WITHIN_MS = 120_000;

describe('an order that was lost', () => {
  test('is called off, and ends: the slot is free again, and the VM moves another time', () => {
    const { order, pass, deliver, inbound, placement } = apart();
    const [lost] = order('v');
    expect(inbound()).toBe(1);
    expect(pass(WITHIN_MS - 1_000)).toEqual([]);
    const [cancel] = pass(2_000);
    expect(cancel).toMatchObject({ verdict: 'cancel', cancels: lost!.decision, reason: 'not-accepted' });
    expect(deliver(cancel!)).toEqual(['migration.cancelled.v1']);
    expect([inbound(), placement.vms.get('v')!.state]).toEqual([0, 'cooling']);
    expect(deliver(lost!), 'one that arrives after all is not carried out').toEqual([]);
    const [again] = order('v');
    expect(deliver(again!)).toContain('migration.accepted.v1');
  });

  test('is called off again while nobody answers', () => {
    const { order, pass } = apart();
    order('v');
    const cancels = [pass(WITHIN_MS), pass(WITHIN_MS), pass(WITHIN_MS)].flat();
    expect(cancels.map(({ verdict, seq }) => [verdict, seq])).toEqual([
      ['cancel', 2],
      ['cancel', 3],
      ['cancel', 4],
    ]);
  });

  test('holds nothing when its VM is retired, not after a restart either, and the others are told', () => {
    const { order, retire, placement, inbound, deliver } = apart();
    order('v');
    placement.drain();
    retire('v');
    const {
      decisions: [cancel],
      vms: [vm],
    } = placement.drain();
    expect(cancel).toMatchObject({ verdict: 'cancel', cancels: 'v:1', reason: 'retired' });
    expect(inbound()).toBe(0);
    expect(restarted(placement, keepVm(vm!, placement.sites)).sites.known('s1').inbound).toBe(0);
    expect(deliver(cancel!)).toEqual(['migration.cancelled.v1']);
  });

  test('holds nothing where a record of an older version says that a retired VM moves', () => {
    const { order, placement } = apart();
    order('v');
    const vm = placement.vms.get('v');
    const kept = { ...keepVm(vm!, placement.sites), retired: true };
    expect(restarted(placement, kept).sites.known('s1').inbound).toBe(0);
  });
});

test('an order that was accepted is never called off for want of an answer', () => {
  const { order, pass, deliver } = apart();
  expect(deliver(order('v')[0]!)).toContain('migration.accepted.v1');
  expect(pass(10 * WITHIN_MS)).toEqual([]);
});

test('whatever is lost, late or said again: every slot comes back, and every order ends once', () => {
  const step = fc.record({
    vm: fc.constantFrom('v', 'w'),
    what: fc.constantFrom('order', 'pass', 'deliver', 'late', 'retire', 'declare'),
  });
  let orders = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const world = apart(['v', 'w']);
      const { placement, migrations, accepted, ended } = world;
      const waiting: Decided[] = [];
      for (const { vm, what } of steps) {
        const isIdle = placement.vms.has(vm) && placement.vms.get(vm)!.state !== 'moving';
        if (what === 'order' && isIdle && world.inbound() < limits.movesPerSite) waiting.push(...world.order(vm));
        if (what === 'pass') waiting.push(...world.pass(WITHIN_MS / 2));
        if (what === 'deliver' && waiting.length > 0) world.deliver(waiting.shift()!);
        if (what === 'late') waiting.reverse();
        if (what === 'retire') world.retire(vm);
        if (what === 'declare') world.declare(vm);
        waiting.push(...placement.drain().decisions);
      }
      orders += waiting.length;
      // The bus is there again, and what had waited on it comes, or does not.
      for (let i = 0; i < 20; i++) {
        for (const decision of world.pass(WITHIN_MS)) world.deliver(decision);
        world.hear();
        for (const id of [...migrations.live.keys()]) world.cancel(id);
      }
      expect(world.inbound()).toBe(0);
      expect(new Set(ended).size, 'no order ends twice').toBe(ended.length);
      expect(accepted.filter((id) => !ended.includes(id))).toEqual([]);
    }),
    { numRuns: 300 },
  );
  expect(orders).toBeGreaterThan(100);
});
