import type { Fix } from '#services/replay/traces/fix.ts';
import { type RunInput, type RunResult, run } from '../engine.ts';
import { type Itinerary, ItineraryRecorder } from './itinerary.ts';

/** The knowledge of the whole trace, and the result of a run in which no VM moves. */
export interface Foresight {
  readonly itineraries: ReadonlyMap<string, Itinerary>;
  readonly stayed: RunResult;
}

/** Which positions count does not depend on the policy, so they are found by one that does nothing. */
export async function foresee({ config, sites, batches, vms }: RunInput): Promise<Foresight> {
  const recorder = new ItineraryRecorder(config.policy.sessionTimeoutMs);
  const stays = { ...config, policy: { ...config.policy, name: 'never' } };
  const stayed = await run({ config: stays, sites, batches, note: recorder.note, ...(vms && { vms }) });
  return { itineraries: recorder.itineraries(), stayed };
}

/** A trace that can be read more than once. */
export async function readAll(batches: RunInput['batches']): Promise<(readonly Fix[])[]> {
  const all: (readonly Fix[])[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}
