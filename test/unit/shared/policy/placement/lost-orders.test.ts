/** No migrator accepts an order: placement cancels it, and frees the slot at its destination. */
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

/** Placement and migrator without a bus: the test delivers the events. */
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
  /** Delivers the events of the migrator to placement, and answers its orders as hosts do that finish no step. */
  const deliverEvents = (): string[] => {
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
    return orders.length === 0 ? types : [...types, ...deliverEvents()];
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
    /** Lets time pass. @returns the resulting decisions */
    pass(ms: number): readonly Decided[] {
      nowMs += ms;
      placement.advance(nowMs);
      migrations.advance(nowMs);
      return placement.drain().decisions;
    },
    /** Delivers a decision to the migrator, and its events to placement. @returns the types of the events */
    deliver(data: Decided): string[] {
      migrations.apply({ type: 'placement.decided.v1', data }, nowMs);
      return deliverEvents();
    },
    /** Cancels a move, as an operator. */
    cancel(id: string): void {
      migrations.cancel(id, 'test', nowMs);
      deliverEvents();
    },
    deliverEvents,
    inbound: () => placement.sites.known('s1').inbound,
  };
}

/** A new placement that loads the VM from its record. */
function restarted(of: Placement, vm: KeptVm): Placement {
  const next = fresh();
  for (const fact of of.sites.facts()) next.apply(fact, START_MS);
  next.restore(reviveVm(JSON.parse(JSON.stringify(vm)), next.sites));
  return next;
}

const WITHIN_MS = 120_000;

describe('an order that was lost', () => {
  test('is cancelled and ends: the slot is free, and the VM can move again', () => {
    const { order, pass, deliver, inbound, placement } = apart();
    const [lost] = order('v');
    expect(inbound()).toBe(1);
    expect(pass(WITHIN_MS - 1_000)).toEqual([]);
    const [cancel] = pass(2_000);
    expect(cancel).toMatchObject({ verdict: 'cancel', cancels: lost!.decision, reason: 'not-accepted' });
    expect(deliver(cancel!)).toEqual(['migration.cancelled.v1']);
    expect([inbound(), placement.vms.get('v')!.state]).toEqual([0, 'cooling']);
    expect(deliver(lost!), 'the late order is ignored').toEqual([]);
    const [again] = order('v');
    expect(deliver(again!)).toContain('migration.accepted.v1');
  });

  test('is cancelled again while no answer arrives', () => {
    const { order, pass } = apart();
    order('v');
    const cancels = [pass(WITHIN_MS), pass(WITHIN_MS), pass(WITHIN_MS)].flat();
    expect(cancels.map(({ verdict, seq }) => [verdict, seq])).toEqual([
      ['cancel', 2],
      ['cancel', 3],
      ['cancel', 4],
    ]);
  });

  test('of a retired VM is cancelled, and frees its slot, also after a restart', () => {
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

  test('in the record of a retired VM of an older version counts no slot', () => {
    const { order, placement } = apart();
    order('v');
    const vm = placement.vms.get('v');
    const kept = { ...keepVm(vm!, placement.sites), retired: true };
    expect(restarted(placement, kept).sites.known('s1').inbound).toBe(0);
  });
});

test('an accepted order is not cancelled for a missing answer', () => {
  const { order, pass, deliver } = apart();
  expect(deliver(order('v')[0]!)).toContain('migration.accepted.v1');
  expect(pass(10 * WITHIN_MS)).toEqual([]);
});

test('every slot is freed and every order ends once, with lost, late and repeated events', () => {
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
      // The bus works again. The waiting events may arrive or not.
      for (let i = 0; i < 20; i++) {
        for (const decision of world.pass(WITHIN_MS)) world.deliver(decision);
        world.deliverEvents();
        for (const id of [...migrations.live.keys()]) world.cancel(id);
      }
      expect(world.inbound()).toBe(0);
      expect(new Set(ended).size, 'no order ends twice').toBe(ended.length);
      expect(accepted.filter((id) => !ended.includes(id))).toEqual([]);
    }),
    { numRuns: 450 },
  );
  expect(orders).toBeGreaterThan(100);
});
