/** Checks the locations of a request, replaces user ids by pseudonyms, and publishes an event for each VM of the user. */
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { IngestConfig } from '#shared/config/schema.ts';
import { type Data, type Event, envelop, type Fact, readTraceparent } from '#shared/events/index.ts';
import { checkPosition, type Implausible } from '#shared/geo/plausibility.ts';
import type { Attachments } from './attachments.ts';
import { refuseOverload } from './backlog.ts';
import { SOURCE } from './facts.ts';
import type { Quotas } from './quotas.ts';

/** A position that a user's device reports. `user` is the operator's id of the user, not the pseudonym. */
export type Location = Omit<Data<'location.reported.v1'>, 'vm'>;

/** The result of one call; `accepted + unattached + implausible` is the number of its locations. */
export interface Receipt {
  /** Locations that count for at least one VM. */
  readonly accepted: number;
  /** The events published for them: one for each VM that the user is attached to. */
  readonly events: number;
  /** Implausible locations, by reason. */
  readonly implausible: Readonly<Partial<Record<Implausible, number>>>;
  /** Locations of users who are attached to no VM. */
  readonly unattached: number;
  /** The first hundred locations that were not accepted, with the reason; absent where all were accepted. */
  readonly notTaken?: readonly NotTaken[];
}

/** One location that counts for no VM. */
export interface NotTaken {
  /** Its index in the request, from 0. */
  readonly index: number;
  readonly why: Implausible | 'unattached';
}

/** The most locations that `notTaken` lists. */
const MOST_LISTED = 100;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Tally = Mutable<Omit<Receipt, 'implausible' | 'notTaken'>> & {
  readonly implausible: Mutable<Receipt['implausible']>;
};
const newTally = (): Tally => ({ accepted: 0, events: 0, implausible: {}, unattached: 0 });

/** The parts of ingest that locations use. */
export interface LocationParts {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly config: Pick<IngestConfig, 'plausibility'>;
  readonly quotas: Quotas;
  readonly attachments: Attachments;
  readonly pseudonymOf: (user: string) => string;
}

/** A plausible location under the user's pseudonym, with its index in the request. */
interface Plausible {
  readonly index: number;
  readonly location: Location;
}

/** Publishes locations, and counts them since the start. */
export class Locations {
  readonly #parts: LocationParts;
  readonly #counts = newTally();

  constructor(parts: LocationParts) {
    this.#parts = parts;
  }

  /** Totals since the start. */
  get counts(): Readonly<Receipt> {
    return this.#counts;
  }

  /** As `Ingest.locations`. */
  async publish(list: readonly Location[], traceparent?: string): Promise<Receipt> {
    const { bus, clock, quotas, attachments } = this.#parts;
    refuseOverload(bus, 0);
    const tally = newTally();
    const notTaken: NotTaken[] = [];
    const nowMs = clock.now();
    const plausible = this.#plausible(list, nowMs, tally, notTaken);
    const vmsOf = await attachments.loadAll(plausible.map(({ location }) => location.user));
    const many = plausible.reduce((sum, { location }) => sum + vmsOf.get(location.user)!.length, 0);
    quotas.events(many);
    refuseOverload(bus, many);
    const events: Event[] = [];
    const context = readTraceparent(traceparent) && { traceparent: traceparent! };
    for (const { index, location } of plausible) {
      const vms = vmsOf.get(location.user)!;
      if (vms.length === 0) {
        tally.unattached++;
        notTaken.push({ index, why: 'unattached' });
      } else tally.accepted++;
      for (const vm of vms) events.push(locationEvent(vm, location, nowMs, context));
    }
    tally.events = events.length;
    if (events.length > 0) await bus.publish(events);
    add(this.#counts, tally);
    return notTaken.length === 0 ? tally : { ...tally, notTaken: notTaken.slice(0, MOST_LISTED) };
  }

  /** The plausible locations of a request. Counts and lists the others. */
  #plausible(list: readonly Location[], nowMs: number, tally: Tally, notTaken: NotTaken[]): Plausible[] {
    const { config, pseudonymOf } = this.#parts;
    const plausible: Plausible[] = [];
    for (const [index, location] of list.entries()) {
      const why = checkPosition(location, nowMs, config.plausibility);
      if (why === undefined) plausible.push({ index, location: { ...location, user: pseudonymOf(location.user) } });
      else {
        tally.implausible[why] = (tally.implausible[why] ?? 0) + 1;
        notTaken.push({ index, why });
      }
    }
    return plausible;
  }
}

/** Uses the present time where the sender's clock is ahead. The id uses the sender's time, so a repeat has the same id. */
function locationEvent(
  vm: string,
  location: Location,
  nowMs: number,
  context?: { readonly traceparent: string },
): Event {
  const { user, atMs, presence } = location;
  const data = { vm, ...location, atMs: Math.min(atMs, Math.ceil(nowMs)) };
  const fact: Fact = { type: 'location.reported.v1', data };
  // A position and a departure can be of one instant; neither is a repeat of the other.
  const suffix = presence === undefined ? '' : `:${presence}`;
  return envelop(fact, `loc:${vm}:${user}:${atMs}${suffix}`, SOURCE, context);
}

function add(counts: Tally, tally: Tally): void {
  counts.accepted += tally.accepted;
  counts.events += tally.events;
  counts.unattached += tally.unattached;
  for (const [code, n] of Object.entries(tally.implausible) as [Implausible, number][]) {
    counts.implausible[code] = (counts.implausible[code] ?? 0) + n;
  }
}
