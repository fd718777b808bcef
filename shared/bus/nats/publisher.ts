import { TagalongError } from '../../errors.ts';
import { check, type Event, encode } from '../../events/index.ts';
import type { Sender } from '../../nats/sender.ts';
import type { Names } from './names.ts';

/** The publishing of an event fails after this long. */
const GIVE_UP_AFTER_MS = 30_000;

interface Job {
  readonly event: Event;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Publishes many events at once, but one at a time of each key. Otherwise a lost and repeated event could arrive in the stream
 * behind the next event of its key.
 */
export class Publisher {
  readonly #sender: Sender;
  readonly #names: Names;
  /** The headers of a position; undefined: the stream keeps it as long as other events. */
  readonly #ofLocation: Readonly<Record<string, string>> | undefined;
  /** By key: the events that wait behind the one under way. */
  readonly #lanes = new Map<string, Job[]>();

  /** @param locationMaxAgeMs how long the stream keeps positions; undefined: as long as other events */
  constructor(sender: Sender, names: Names, locationMaxAgeMs?: number) {
    this.#sender = sender;
    this.#names = names;
    if (locationMaxAgeMs !== undefined) this.#ofLocation = { 'Nats-TTL': String(Math.ceil(locationMaxAgeMs / 1000)) };
  }

  /**
   * Resolves when the stream has all of them.
   * @throws TagalongError EVENT_INVALID: then no event is published. PAYLOAD_TOO_LARGE, BUS_UNREACHABLE, BUS_REFUSED, BUS_CLOSED:
   * then no event behind the first failed one of its key is published
   */
  publish(events: readonly Event[]): Promise<void> {
    for (const event of events) check(event);
    if (events.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      let left = events.length;
      let error: unknown;
      const end = () => {
        left--;
        if (left > 0) return;
        if (error === undefined) resolve();
        else reject(error);
      };
      const failed = (reason: unknown) => {
        error ??= reason;
        end();
      };
      for (const event of events) this.#enter({ event, done: end, failed });
    });
  }

  #enter(job: Job): void {
    const key = job.event.partitionkey;
    const lane = this.#lanes.get(key);
    if (lane !== undefined) {
      lane.push(job);
      return;
    }
    this.#lanes.set(key, []);
    this.#send(key, job);
  }

  #send(key: string, job: Job): void {
    const { event } = job;
    const message = {
      subject: this.#names.subject(event),
      payload: encoder.encode(encode(event)),
      id: event.id,
      headers: event.type === 'location.reported.v1' ? this.#ofLocation : undefined,
      giveUpAfterMs: GIVE_UP_AFTER_MS,
    };
    this.#sender.send(message).then(
      (ack) => {
        if ('error' in ack) this.#fail(key, job, refused(event, ack.error.description));
        else {
          job.done();
          this.#next(key);
        }
      },
      (error) => this.#fail(key, job, error),
    );
  }

  #next(key: string): void {
    const next = this.#lanes.get(key)?.shift();
    if (next === undefined) this.#lanes.delete(key);
    else this.#send(key, next);
  }

  /** Rejects the event and all behind it, which must not overtake it when the caller publishes it again. */
  #fail(key: string, job: Job, error: unknown): void {
    const lane = this.#lanes.get(key) ?? [];
    this.#lanes.delete(key);
    for (const { failed } of [job, ...lane]) failed(error);
  }
}

const encoder = new TextEncoder();

function refused(event: Event, reason: string): TagalongError {
  return new TagalongError(
    'BUS_UNREACHABLE',
    `${event.type}: NATS did not accept the event (${reason}); check the NATS server`,
  );
}
