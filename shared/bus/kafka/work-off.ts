/**
 * Hands events of one partition to a group's handler, in order, and commits the offset after each handled batch and each refusal,
 * with the number of attempts of the first event. So the attempts go on counting when the partition changes hands or the process
 * dies.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fetched } from '../../kafka/consumer.ts';
import type { CommittedOffset } from '../../kafka/offsets.ts';
import type { Delivery, Handler } from '../bus.ts';
import { PartitionQueue } from '../partition-queue.ts';
import type { Read } from './wire.ts';

/** The pause before a refused event is tried again. It doubles each time, because the cause may be transient. */
const FIRST_RETRY_MS = 50;

/** The receivers of the events. */
export interface Work {
  readonly handler: Handler;
  /** Called with an event after its last attempt. */
  reject(delivery: Delivery, error: unknown): Promise<void>;
}

/** Resolves when all events are handled and committed, or as many as there were before `goOn` became false. */
export async function workOff(events: readonly Read[], fetched: Fetched, { handler, reject }: Work): Promise<void> {
  const { partition, end } = fetched;
  const queue = new PartitionQueue();
  let { tried } = fetched.committed ?? {};
  let isFirst = true;
  for (const { event, offset: at } of events) {
    const wasTried = tried !== undefined && at < tried.until;
    queue.push({ event, partition, attempt: wasTried ? (isFirst ? tried!.attempt : 2) : 1 });
    isFirst = false;
  }
  /** The offset of the first event that is not handled. Skipped records behind the last event are handled with it. */
  const at = () => (queue.size === 0 ? end : events[events.length - queue.size]!.offset);
  const offset = (): CommittedOffset =>
    tried !== undefined && at() < tried.until ? { offset: at(), tried } : { offset: at() };

  while (queue.ready) {
    if (!fetched.goOn()) break;
    const batch = queue.take();
    const afterBatch = events[events.length - queue.size + batch.length - 1]!.offset + 1;
    try {
      await handler(batch);
      queue.acknowledge();
      tried = tried && { attempt: 2, until: tried.until };
    } catch (error) {
      const attempt = batch[0]!.attempt + 1;
      const refused = { attempt, until: Math.max(tried?.until ?? 0, afterBatch) };
      const last = queue.refuse();
      if (last !== undefined) await reject(last, error);
      tried = last === undefined ? refused : { attempt: 2, until: refused.until };
      await fetched.save(offset());
      if (last === undefined) await sleep(FIRST_RETRY_MS * 2 ** (attempt - 2));
    }
  }
  await fetched.save(offset());
}
