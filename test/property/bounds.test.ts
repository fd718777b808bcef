/** The largest and smallest accepted values give sums and products that are valid in events. */
import fc from 'fast-check';
import Type, { type TSchema } from 'typebox';
import { expect, test } from 'vitest';
import { virtualClock } from '#shared/clock/virtual.ts';
import { parseConfig } from '#shared/config/load.ts';
import { ConfigSchema } from '#shared/config/schema.ts';
import {
  LinkRateBps,
  MAX_AT_MS,
  MAX_CANDIDATES,
  MAX_NAME,
  MAX_USERS_PER_VM,
  RttMs,
  Weight,
} from '#shared/events/bounds.ts';
import { type Fact, faultIn, VmSpec } from '#shared/events/index.ts';
import { createWorld } from '#simulations/world.ts';
import { extremes } from './extremes.ts';
import { SEED } from './seed.ts';

/** A day before the last valid instant. Times since 1970 are then as long as possible. */
const START_MS = MAX_AT_MS - 86_400_000;
/** The longest valid name. The ids of decisions are longer. */
const VM = 'v'.repeat(MAX_NAME);
const json = (schema: TSchema) => JSON.parse(JSON.stringify(schema));
const { network, move, policy } = ConfigSchema.properties;
/** The figures of the policy, without its waiting times: with these most worlds would have no move. */
const Prices = Type.Pick(policy, ['margin', 'slowdownUserMsPerS', 'priceUserMsPerGb', 'priorStayMs']);

const worlds = fc.record({
  spec: extremes(json(VmSpec)) as fc.Arbitrary<VmSpec>,
  config: fc.record({
    network: extremes(json(network)),
    move: extremes(json(move)),
    policy: extremes(json(Prices)) as fc.Arbitrary<object>,
  }),
  rates: fc.array(extremes(json(LinkRateBps)) as fc.Arbitrary<number>, { minLength: 0, maxLength: 3 }),
  weight: extremes(json(Weight)) as fc.Arbitrary<number>,
  rttMs: fc.tuple(extremes(json(RttMs)), extremes(json(RttMs))) as fc.Arbitrary<[number, number]>,
  users: fc.constantFrom(0, 1, MAX_USERS_PER_VM),
  stayMs: fc.constantFrom(0, 1, 300_000, START_MS),
});

test('every event is valid for any accepted VM, users, sites and configuration', () => {
  let decisions = 0;
  let explained = 0;
  fc.assert(
    fc.property(worlds, ({ spec, config, rates, weight, rttMs, users, stayMs }) => {
      const clock = virtualClock(START_MS);
      const settings = {
        ...config,
        policy: { ...config.policy, dwellMs: 0 },
      };
      const facts: Fact[] = [];
      const world = createWorld({
        config: parseConfig(JSON.stringify(settings), 'drawn'),
        clock,
        observe: (fact) => facts.push(fact),
      });
      const uplinks = rates.map((rateBps, i) => ({ provider: `p${i}`, rateBps }));
      for (const [site, lat] of [
        ['west', 40],
        ['east', 41],
        ['far', -40],
      ] as const)
        world.declareSite({ site, lat, lon: site === 'far' ? 105 : -74, slots: 9, uplinks });
      const atMs = () => Math.round(clock.now());
      world.tell({ type: 'vm.declared.v1', data: { vm: VM, atMs: atMs(), home: 'west', spec } });
      for (let i = 0; i < users; i++)
        world.tell({ type: 'session.attached.v1', data: { vm: VM, user: `u${i}`, atMs: atMs(), weight } });
      const rtts = [
        { site: 'west', rttMs: rttMs[0] },
        { site: 'east', rttMs: rttMs[1] },
      ];
      const report = () => {
        for (let i = 0; i < users; i++) world.locate({ vm: VM, user: `u${i}`, atMs: atMs(), lat: 41, lon: -74, rtts });
      };
      report();
      // Sets the start of a long stay: waiting would take many evaluations.
      if (stayMs > 300_000) world.placement.vms.get(VM)!.bestSinceMs = START_MS - stayMs;
      clock.advanceTo(clock.now() + Math.min(stayMs, 300_000));
      report();
      const why = world.placement.explain(VM, atMs());
      explained++;
      // No event carries `lastMove`.
      const { vm, home, lastMove: _, ...explanation } = why;
      expect(explanation.candidates.length).toBeLessThanOrEqual(MAX_CANDIDATES);
      const decision = {
        decision: `${VM}:1`,
        vm,
        seq: 1,
        atMs: atMs(),
        from: home,
        to: home,
        reason: 'r',
        source: 'policy',
      };
      expect(faultIn('placement.decided.v1', { ...decision, verdict: 'stay', explanation })).toBeUndefined();
      try {
        world.placement.order(VM, 'far', atMs());
        world.tell({ type: 'session.detached.v1', data: { vm: VM, user: 'nobody', atMs: atMs() } });
      } catch (error) {
        expect(error).toMatchObject({ code: 'MOVE_REFUSED' });
      }
      for (const { type, data } of facts) {
        expect([type, faultIn(type, data)]).toEqual([type, undefined]);
        if (type === 'placement.decided.v1') decisions++;
      }
    }),
    { seed: SEED, numRuns: 50 },
  );
  expect(explained).toBe(50);
  expect(decisions).toBeGreaterThan(10);
});
