import type { Fix } from '#services/replay/traces/fix.ts';
import { type RunInput, type RunResult, run } from '../engine.ts';
import { type Itinerary, ItineraryRecorder } from './itinerary.ts';

/** The future of a run: the itinerary of each VM, and the result of a run in which no VM moves. */
export interface Foresight {
  readonly itineraries: ReadonlyMap<string, Itinerary>;
  readonly stayed: RunResult;
}

/**
 * Simulates the trace with the policy `never` and records the positions that count. The policy does not influence which positions
 * count, so the itineraries are valid for every policy.
 */
export async function foresee({ config, sites, batches, vms }: RunInput): Promise<Foresight> {
  const recorder = new ItineraryRecorder(config.policy.sessionTimeoutMs);
  const stays = { ...config, policy: { ...config.policy, name: 'never' } };
  const stayed = await run({ config: stays, sites, batches, onPosition: recorder.record, ...(vms && { vms }) });
  return { itineraries: recorder.itineraries(), stayed };
}

/** Reads a trace into memory, so that it can be played more than once. */
export async function readAll(batches: RunInput['batches']): Promise<(readonly Fix[])[]> {
  const all: (readonly Fix[])[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}
