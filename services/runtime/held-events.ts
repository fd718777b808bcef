/**
 * Holds what the bus delivers against more than its schema, before a service of this process sees it. Whoever can publish on the bus
 * could otherwise add a site, or speak from the future, and the true events that follow would count as old.
 *
 * The bus itself checks that key, subject and data of an event name the same VM or site. Decisions and moves are proven by records
 * (`decision-proof.ts`, `move-check.ts`). Positions have a check of their own: placement counts one from the future as `future`.
 */
import type { Bus, Delivery, Handler } from '#shared/bus/bus.ts';
import { deadLetter } from '#shared/bus/dead-letter.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { type Event, envelop, MIGRATION_TYPES } from '#shared/events/index.ts';
import type { Log } from '#shared/log.ts';
import { repeatedFault } from '#shared/log-repeats.ts';
import { CLOCKS_DIFFER_MS } from '#shared/migration/ordered-moves.ts';
import type { KnownSites } from '../sites/known.ts';

/** Why an event was refused: its time is ahead of the clock, or its site does not exist. */
export const REFUSALS = ['future', 'unknown-site'] as const;
type Refusal = (typeof REFUSALS)[number];

/** The bus for the services of a process, with the numbers of refused events since the start. */
export interface HeldBus extends Bus {
  readonly refused: Readonly<Record<Refusal, number>>;
}

/** The dependencies of the check. */
export interface HoldOptions {
  readonly clock: Clock;
  readonly config: Config;
  readonly sites: KnownSites;
  readonly log: Log;
}

/** A true decision or event of a move counts although the clock of its host is wrong: without it the move would never end. */
const CHECKED_ELSEWHERE: ReadonlySet<string> = new Set([
  'location.reported.v1',
  'placement.decided.v1',
  ...MIGRATION_TYPES,
]);

/** For so long after a failure the store is not asked again: a look-up may last seconds, and the events behind it wait. */
const ASK_AGAIN_MS = 1_000;

/**
 * Wraps a bus: its handlers get no event that is refused. A refused event counts as handled. An event from the future becomes a dead
 * letter, which can be replayed when the clocks agree; a heartbeat does not.
 */
export function holdEvents(bus: Bus, { clock, config, sites, log }: HoldOptions): HeldBus {
  const { maxFutureMs } = config.ingest.plausibility;
  const aheadMs = Math.max(maxFutureMs, CLOCKS_DIFFER_MS);
  const refused: Record<Refusal, number> = { future: 0, 'unknown-site': 0 };
  const trouble = repeatedFault(log, 'events of the bus are ignored', 'warn');
  const known = new Set<string>();
  let askAgainAtMs = Number.NEGATIVE_INFINITY;

  const refuse = ({ type, source, partitionkey }: Event, why: Refusal, next: string): TagalongError => {
    refused[why]++;
    const error = new TagalongError('EVENT_INVALID', `${type} of ${partitionkey} from ${source}: ${why}; ${next}`);
    trouble.failed(error);
    return error;
  };
  /** A heartbeat comes again, other events do not. @throws TagalongError those of `publish`; the bus delivers the event again */
  const refuseFuture = async (event: Event, group: string): Promise<void> => {
    const error = refuse(event, 'future', 'compare the clocks of the hosts (SECURITY.md)');
    if (event.type === 'site.reported.v1') return;
    // A rejection of the whole batch would have the same end. But it would come only after further attempts, for which other events wait.
    const letter = deadLetter(event, group, error);
    // With the time of its event, the letter would be an event from the future, too.
    if (letter?.type !== 'event.rejected.v1') return;
    const { type, id, source } = letter;
    const data = { ...letter.data, atMs: Math.round(clock.now()) };
    await bus.publish([envelop({ type, data }, id, source)]);
  };
  const isKnown = async (site: string): Promise<boolean> => {
    if (known.has(site) || clock.now() < askAgainAtMs) return true;
    try {
      if ((await sites.faultOf(site)) !== undefined) return false;
      known.add(site);
    } catch {
      // Without the store nothing is known, and heartbeats have to go on.
      askAgainAtMs = clock.now() + ASK_AGAIN_MS;
    }
    return true;
  };
  const admit = async ({ event }: Delivery, group: string, latestMs: number): Promise<boolean> => {
    if (isAhead(event, latestMs)) {
      await refuseFuture(event, group);
      return false;
    }
    if (event.type === 'site.removed.v1') known.delete(event.data.site);
    if (event.type !== 'site.reported.v1' || (await isKnown(event.data.site))) return true;
    const next = 'declare the site, or find out who else may publish on this bus (SECURITY.md)';
    refuse(event, 'unknown-site', next);
    return false;
  };
  const holding =
    (handler: Handler, group: string): Handler =>
    async (batch) => {
      const latestMs = clock.now() + aheadMs;
      if (!batch.some(({ event }) => isDoubtful(event, latestMs, known))) return handler(batch);
      const admitted: Delivery[] = [];
      for (const delivery of batch) if (await admit(delivery, group, latestMs)) admitted.push(delivery);
      if (admitted.length > 0) await handler(admitted);
    };
  return {
    refused,
    publish: (events) => bus.publish(events),
    subscribe: (options, handler) => bus.subscribe(options, holding(handler, options.group)),
    audited: (query) => bus.audited(query),
    ...(bus.userEvents && { userEvents: bus.userEvents }),
    lag: () => bus.lag(),
    connected: () => bus.connected(),
    get maxEventBytes() {
      return bus.maxEventBytes;
    },
    close: () => bus.close(),
  };
}

function isAhead({ type, data }: Event, latestMs: number): boolean {
  return data.atMs > latestMs && !CHECKED_ELSEWHERE.has(type);
}

/** True for an event that has to be looked at more closely. All others cost two comparisons. */
function isDoubtful(event: Event, latestMs: number, known: ReadonlySet<string>): boolean {
  if (isAhead(event, latestMs)) return true;
  if (event.type === 'site.reported.v1') return !known.has(event.data.site);
  return event.type === 'site.removed.v1';
}
