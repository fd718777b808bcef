/**
 * OwnTracks over MQTT, through a NATS server's MQTT gateway: what phones publish to `owntracks/<user>/<device>` is on the
 * subject `owntracks.<user>.<device>` there. A stream of its own keeps it until it was taken in.
 */
import type { ConsumerMessages, JsMsg } from 'nats';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import { serverUrl } from '#shared/config/server.ts';
import { type ErrorCode, TagalongError } from '#shared/errors.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { natsServer } from '#shared/open.ts';
import { parseJson } from '../body.ts';
import type { Ingest } from '../service.ts';
import { readOwntracks } from './owntracks.ts';
import { reportedReader } from './report.ts';

/** What listens to the messages. */
export interface Listener {
  /** @throws TagalongError BUS_UNREACHABLE, BUS_REFUSED, BUS_UNFIT, CONFIG_UNREADABLE */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** What will not be taken however often it comes. */
const HOPELESS: readonly ErrorCode[] = ['EVENT_INVALID', 'QUOTA_EXCEEDED'];
const SUBJECT = 'owntracks.>';
/** A position is of no use to anybody after a day. */
const MAX_AGE_MS = 86_400_000;
const ACK_WAIT_MS = 30_000;
const AGAIN_MS = 1_000;
/** As many are at most in hand. */
const IN_HAND = 100;

/** Where `ingest.mqtt` is configured. Processes with the same prefix on the same server share the messages. */
export function owntracksOverMqtt(options: {
  readonly config: Config;
  readonly ingest: Ingest;
  readonly clock: Clock;
  readonly log: Log;
}): Listener | undefined {
  const { ingest, clock } = options;
  const { mqtt, pseudonymKey } = options.config.ingest;
  if (mqtt === undefined) return undefined;
  const log = serviceLog(options.log, 'ingest');
  const check = reportedReader(pseudonymKey !== undefined);
  const name = `${mqtt.prefix}_owntracks`;
  let messages: ConsumerMessages | undefined;
  let close = async () => {};

  const take = async (message: JsMsg) => {
    try {
      const reported = readOwntracks(parseJson(message.string()), { topic: topicOf(message.subject) });
      await ingest.locations(check(reported, clock.now()));
      message.ack();
    } catch (error) {
      if (error instanceof TagalongError && HOPELESS.includes(error.code)) {
        // It holds a position: not even its topic is logged.
        log.warn({ why: error.message }, 'a message of OwnTracks was left out');
        message.term();
      } else {
        log.error({ err: error }, 'a message of OwnTracks could not be taken in yet');
        message.nak(AGAIN_MS);
      }
    }
  };

  return {
    async start() {
      // Only who listens loads the client.
      const { AckPolicy, nanos, RetentionPolicy, StorageType } = await import('nats');
      const { openLink } = await import('#shared/nats/connection.ts');
      const { BUS_ROLE } = await import('#shared/connection/role.ts');
      const { ensureStream } = await import('#shared/nats/streams.ts');
      const link = await openLink(await natsServer(mqtt, serverUrl(mqtt.url)!.hosts), BUS_ROLE);
      close = link.close;
      await ensureStream(link.jsm, {
        name,
        subjects: [SUBJECT],
        retention: RetentionPolicy.Workqueue,
        storage: StorageType.File,
        num_replicas: mqtt.replicas,
        max_age: nanos(MAX_AGE_MS),
      });
      await link.jsm.consumers.add(name, {
        durable_name: 'ingest',
        ack_policy: AckPolicy.Explicit,
        ack_wait: nanos(ACK_WAIT_MS),
        max_ack_pending: IN_HAND,
      });
      const consumer = await link.nc.jetstream().consumers.get(name, 'ingest');
      messages = await consumer.consume({ max_messages: IN_HAND });
      void (async () => {
        for await (const message of messages) await take(message);
      })();
    },
    async stop() {
      await messages?.close();
      messages = undefined;
      await close();
    },
  };
}

/**
 * The MQTT topic that a NATS server has made a subject of: levels are parted by dots there, and a dot within a level is `//`.
 * Undone the wrong way round, `jane.doe` would be `jane`.
 * @throws TagalongError EVENT_INVALID where it is not the topic of a device, or has an empty level
 */
export function topicOf(subject: string): string {
  const levels = subject.split('.').map((level) => level.replaceAll('//', '.'));
  if (levels.length < 3 || levels.some((level) => level === '' || level.includes('/'))) {
    throw new TagalongError(
      'EVENT_INVALID',
      'topic: is not the topic of a device; publish to owntracks/<user>/<device>',
    );
  }
  return levels.join('/');
}
