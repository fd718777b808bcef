import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../../clock/retry.ts';
import { BUS_ROLE } from '../../connection/role.ts';
import type { Link } from '../../nats/connection.ts';
import { patiently } from '../../nats/errors.ts';
import type { Received } from '../../nats/pull-consumer.ts';
import { escapeToken } from '../../nats/tokens.ts';
import { LATEST_KEPT, type Subscribe, type Subscription } from '../bus.ts';
import { Feed } from './feed.ts';
import { Inbox, type InboxOptions } from './inbox.ts';
import { filtersOf } from './partition.ts';

/** The dependencies of a member that begins with the latest events. */
export interface LatestOptions extends Omit<InboxOptions, 'partition' | 'acknowledge'> {
  readonly link: Link;
  readonly partitions: number;
  readonly assigned: Subscribe['assigned'];
  /** The number of the last message in the stream. */
  end(): Promise<number>;
}

/**
 * Subscribes a member that begins with the latest event of each key of the types in `LATEST_KEPT`, and goes on with new events.
 * It owns all partitions alone and commits no offsets. Resolves when it has handled the latest events.
 * @throws NatsError, TagalongError BUS_UNREACHABLE
 */
export async function subscribeLatest(options: LatestOptions): Promise<Subscription> {
  const { link, partitions, types, assigned } = options;
  const end = await options.end();
  assigned?.(Array.from({ length: partitions }, (_, partition) => partition));
  const opened = await Promise.allSettled(
    Array.from({ length: partitions }, async (_, partition) => {
      const inbox = new Inbox({
        ...options,
        partition,
        acknowledge: (reply) => {
          if (!link.nc.isClosed()) link.nc.publish(reply);
        },
      });
      let [received, drained] = [0, false];
      const reading = {
        stream: options.names.events,
        name: `${escapeToken(options.group)}~${partition}`,
        filters: filtersOf(options.names, link, partition, types),
        room: () => inbox.room,
        onMessage: (message: Received) => {
          received++;
          drained ||= message.pending === 0;
          const old = message.seq <= end && !LATEST_KEPT.some((type) => message.subject.includes(`.${type}.`));
          if (!old) inbox.receive(message);
        },
      };
      const feed = await patiently(BUS_ROLE, options.names.events, () => Feed.open(link, reading));
      return read(inbox, feed, () => drained || received >= feed.begun);
    }),
  );
  const readers = opened.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []));
  const failed = opened.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) {
    await Promise.all(readers.map((reader) => reader.stop()));
    throw failed.reason;
  }
  await until(() => readers.every(({ caughtUp }) => caughtUp()), { everyMs: 1 });
  let stopped: Promise<unknown> | undefined;
  return {
    async stop() {
      stopped ??= Promise.all(readers.map((reader) => reader.stop()));
      await stopped;
    },
  };
}

/** Hands out one partition's events, one batch after the other. */
function read(inbox: Inbox, feed: Feed, received: () => boolean) {
  let stopping = false;
  const run = async () => {
    while (!stopping) {
      await inbox.waiting();
      if (stopping || inbox.empty) continue;
      const refusedMs = await inbox.deliver();
      feed.refill();
      if (refusedMs > 0) await pause(refusedMs);
    }
  };
  const work = run();
  return {
    caughtUp: () => stopping || (received() && inbox.empty),
    async stop() {
      stopping = true;
      inbox.wake();
      await work;
      feed.close();
    },
  };
}
