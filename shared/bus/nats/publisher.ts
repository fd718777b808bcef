import { TagalongError } from '../../errors.ts';
import { check, type Event, encode } from '../../events/index.ts';
import type { Names } from './names.ts';
import type { Sender } from './sender.ts';

/** So long an event is tried before publishing it fails. */
const GIVE_UP_AFTER_MS = 30_000;

interface Job {
  readonly event: Event;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Publishes events, many under way at once, but only one of each key: were a second one sent before the first is
 * acknowledged, it would be the first in the stream where the other gets lost and is sent again.
 */
export class Publisher {
  readonly #sender: Sender;
  readonly #names: Names;
  /** By key: what waits behind the one that is under way. */
  readonly #lanes = new Map<string, Job[]>();

  constructor(sender: Sender, names: Names) {
    this.#sender = sender;
    this.#names = names;
  }

  /**
   * Resolves when the stream has all of them.
   * @throws TagalongError EVENT_INVALID, PAYLOAD_TOO_LARGE, BUS_UNREACHABLE; of one key nothing after the first that
   * failed has been published
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

  /** Those behind it must not overtake it when it is published again. */
  #fail(key: string, job: Job, error: unknown): void {
    const lane = this.#lanes.get(key) ?? [];
    this.#lanes.delete(key);
    for (const { failed } of [job, ...lane]) failed(error);
  }
}

const encoder = new TextEncoder();

function refused(event: Event, reason: string): TagalongError {
  return new TagalongError('BUS_UNREACHABLE', `${event.type}: NATS did not take it (${reason})`);
}
