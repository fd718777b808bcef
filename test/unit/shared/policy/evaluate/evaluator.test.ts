/** A VM that changes its state is evaluated again, after an explanation of its decision. The explanation must change nothing. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { VmEvaluator } from '#shared/policy/evaluate/evaluator.ts';
import { policyNamed } from '#shared/policy/rules/policies.ts';
import { EndedStays } from '#shared/policy/state/ended-stays.ts';
import { Forecast } from '#shared/policy/state/forecast.ts';
import { Peers } from '#shared/policy/state/peers.ts';
import { SEED } from '../../../../property/seed.ts';
import { configWith, line, positionAt, SPEC } from '../world.ts';

const config = configWith();
const places = fc.array(
  fc.integer({ min: -50, max: 350 }).map((n) => n / 100),
  { minLength: 1, maxLength: 4 },
);
/** The parts of the context that a new state may change. */
const contexts = fc.record({ deadlineMs: fc.constantFrom(null, 1, Number.MAX_SAFE_INTEGER), moves: fc.boolean() });

test('a second evaluation at the same instant gives the same result with and without an explanation in between', () => {
  const kinds = new Set<string>();
  fc.assert(
    fc.property(places, contexts, fc.boolean(), (users, { deadlineMs, moves }, isConfined) => {
      const l = line(4, config);
      l.vm('v', 's1', SPEC, isConfined ? { allowed: ['s0', 's1'] } : undefined);
      for (const [i, place] of users.entries()) {
        l.attach('v', `u${i}`);
        l.world.locate({ vm: 'v', user: `u${i}`, atMs: l.clock.now(), ...positionAt(place) });
      }
      const { sites, traffic, vms } = l.world.placement;
      const vm = vms.get('v')!;
      const { policy, limits } = config;
      const peers = new Peers(vms);
      const rules = { sites, peers, limits, ...policy, siteSilentMs: Number.POSITIVE_INFINITY, isPaused: () => false };
      const evaluator = new VmEvaluator(traffic, config, policyNamed('tagalong', policy), rules, {
        forecast: new Forecast(),
        ended: new EndedStays(),
      });
      const nowMs = l.clock.now();
      evaluator.evaluate(vm, nowMs);
      vm.context = { ...vm.context, deadlineMs, move: moves ? UNDER_WAY : null };
      const result = () => ({
        evaluation: evaluator.evaluate(vm, nowMs),
        vm: structuredClone({ ...vm, home: vm.home.id }),
      });
      const plain = result();
      evaluator.candidates(vm, nowMs);
      expect(result()).toEqual(plain);
      kinds.add(`${plain.evaluation.advice.kind} ${plain.evaluation.advice.reason}`);
    }),
    { seed: SEED, numRuns: 500 },
  );
  expect([...kinds]).toEqual(expect.arrayContaining(['move better-site', 'stay home-is-best', 'stay better-site']));
});

const UNDER_WAY = {
  decision: 'v:1',
  from: 's1',
  to: 's2',
  source: 'policy' as const,
  paths: [],
  raw: { durationMs: 1, interruptionMs: 1 },
  ...{ orderedAtMs: 0, delayUserMsPerS: 0, shared: false },
  switched: false,
  cancelling: false,
  giveUpAtMs: null,
};
