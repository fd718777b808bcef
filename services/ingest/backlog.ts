/** Ingest accepts no more than the consumers can evaluate in time: it watches how many events wait on the bus. */
import type { Bus } from '#shared/bus/bus.ts';
import { TagalongError } from '#shared/errors.ts';

/** The longest backlog of a consumer group, in events, at which ingest accepts requests. Beyond it, locations are evaluated too late. */
export const MAX_WAITING_EVENTS = 200_000;

/** True, or the reason why ingest accepts no requests at the moment. */
export function acceptsMore(bus: Bus): true | string {
  const waiting = longestBacklog(bus);
  return waiting <= MAX_WAITING_EVENTS || overloaded(waiting);
}

/** @param more the number of events to be published. @throws TagalongError BUS_OVERLOADED */
export function refuseOverload(bus: Bus, more: number): void {
  const waiting = longestBacklog(bus) + more;
  if (waiting > MAX_WAITING_EVENTS) throw new TagalongError('BUS_OVERLOADED', overloaded(waiting));
}

/** The longest backlog of any consumer group, in events. */
function longestBacklog(bus: Bus): number {
  const byGroup = new Map<string, number>();
  for (const { group, events } of bus.lag()) byGroup.set(group, (byGroup.get(group) ?? 0) + events);
  return Math.max(0, ...byGroup.values());
}

function overloaded(waiting: number): string {
  return `${waiting} events wait on the bus, more than ${MAX_WAITING_EVENTS}; send again later`;
}
