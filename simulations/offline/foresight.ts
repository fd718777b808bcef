import type { Fix } from '#services/replay/traces/fix.ts';
import { type RunInput, type RunResult, run } from '../engine.ts';
import type { PlannerInput } from './cheapest-route.ts';
import { type Itinerary, ItineraryRecorder } from './itinerary.ts';
import { plannerInputFor } from './planner-input.ts';

/** The future of a run: the itinerary of each VM, and the result of a run in which no VM moves. */
export interface Foresight {
  readonly itineraries: ReadonlyMap<string, Itinerary>;
  readonly stayed: RunResult;
  readonly inputFor: (spec: Itinerary['spec']) => PlannerInput;
}

/** The input of a run with a planner. */
export interface PlannedRunInput extends RunInput {
  /** Holds the foresight for all planners that run on the same positions, once the first one has computed it. */
  readonly shared?: { foresight?: Foresight };
}

/** The foresight of a run. It is computed if no earlier run has shared it; that reads the trace to its end. */
export async function foresightOf({ shared, ...input }: PlannedRunInput): Promise<Foresight> {
  const foresight = shared?.foresight ?? (await foresee(input));
  if (shared) shared.foresight = foresight;
  return foresight;
}

/** The foresight for a policy that plays the trace afterwards. @returns also the input, whose trace can still be played */
export async function foresightBefore(input: PlannedRunInput): Promise<{ foresight: Foresight; input: RunInput }> {
  if (input.shared?.foresight) return { foresight: input.shared.foresight, input };
  const again = { ...input, batches: await readAll(input.batches) };
  return { foresight: await foresightOf(again), input: again };
}

/**
 * Simulates the trace with the policy `never` and records the positions that count. The policy does not influence which positions
 * count, so the itineraries are valid for every policy.
 */
export async function foresee(input: RunInput): Promise<Foresight> {
  const { config, sites, batches, vms } = input;
  const recorder = new ItineraryRecorder(config.policy.sessionTimeoutMs);
  const stays = { ...config, policy: { ...config.policy, name: 'never' } };
  const stayed = await run({ config: stays, sites, batches, onPosition: recorder.record, ...(vms && { vms }) });
  return { itineraries: recorder.itineraries(), stayed, inputFor: plannerInputFor(input) };
}

/** Reads a trace into memory, so that it can be played more than once. */
async function readAll(batches: RunInput['batches']): Promise<(readonly Fix[])[]> {
  const all: (readonly Fix[])[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}
