import { AckPolicy, type ConsumerMessages, connect, DeliverPolicy, type NatsConnection, nanos } from 'nats';
import { type Names, namesOf } from '#shared/bus/nats/names.ts';
import { bucketName } from '#shared/nats/streams.ts';
import { type Bare, stopwatch } from './bare.ts';

/** Messages of one pull request. */
const CHUNK = 1_000;

/** One durable pull consumer a partition. It parses each message from JSON and acknowledges it. */
export async function bareNats(servers: string, prefix: string, partitions: number): Promise<Bare> {
  const nc = await connect({ servers, noAsyncTraces: true });
  const jsm = await nc.jetstreamManager();
  const names = namesOf(prefix, partitions);
  let start = 1;
  return {
    async begin() {
      start = (await jsm.streams.info(names.events)).state.last_seq + 1;
    },
    async consume(count) {
      const watch = stopwatch(count);
      const consuming = await consumeBare(nc, { names, partitions, start }, () => watch.take(1));
      const rate = await watch.rate;
      await Promise.all(consuming.map((messages) => messages.close()));
      return rate;
    },
    async remove() {
      await removeStreams(nc, prefix);
      await nc.close();
    },
  };
}

/** Begins to consume the location events of all partitions, from a message on. */
export async function consumeBare(
  nc: NatsConnection,
  { names, partitions, start }: { readonly names: Names; readonly partitions: number; readonly start: number },
  taken: () => void,
): Promise<ConsumerMessages[]> {
  const jsm = await nc.jetstreamManager();
  const js = nc.jetstream();
  const consuming: ConsumerMessages[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const name = `bare-${partition}`;
    await jsm.consumers.add(names.events, {
      durable_name: name,
      filter_subject: names.filter(partition, 'location.reported.v1'),
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: start,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(60_000),
      max_ack_pending: -1,
    });
    const consumer = await js.consumers.get(names.events, name);
    const callback = (message: { json(): unknown; ack(): void }) => {
      message.json();
      message.ack();
      taken();
    };
    consuming.push(await consumer.consume({ max_messages: CHUNK, callback }));
  }
  return consuming;
}

/** Deletes the streams of a bus and a store. */
export async function removeStreams(nc: NatsConnection, prefix: string): Promise<void> {
  const jsm = await nc.jetstreamManager();
  const { events, places, members } = namesOf(prefix, 1);
  for (const stream of [events, bucketName(places), bucketName(members), bucketName(`${prefix}_records`)]) {
    await jsm.streams.delete(stream).catch(() => {});
  }
}
