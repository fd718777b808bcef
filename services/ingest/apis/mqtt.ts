/**
 * OwnTracks over MQTT, through a NATS server's MQTT gateway: phones publish to the topic `owntracks/<user>/<device>`, which
 * is the subject `owntracks.<user>.<device>` there. A stream of its own stores each message until ingest has published it.
 */
import type { ConsumerMessages, JsMsg } from 'nats';
import type { Clock } from '#shared/clock/clock.ts';
import { OWN_ACCOUNT } from '#shared/config/phone-account.ts';
import type { Config } from '#shared/config/schema.ts';
import { serverUrl } from '#shared/config/server.ts';
import { type ErrorCode, TagalongError } from '#shared/errors.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import type { Link } from '#shared/nats/connection.ts';
import { natsServer } from '#shared/open.ts';
import type { Tokens } from '../../runtime/tokens.ts';
import { parseJson } from '../body.ts';
import { createNames, type Names } from '../names.ts';
import type { Ingest } from '../service.ts';
import { readOwntracks } from './owntracks.ts';
import { reportedReader } from './report.ts';

/** The subscription to the messages. */
export interface Listener {
  /** @throws TagalongError MQTT_ACCOUNT_SHARED, BUS_UNREACHABLE, BUS_REFUSED, BUS_UNFIT, CONFIG_UNREADABLE */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Permanent errors: a message that causes one is not redelivered. */
const PERMANENT: readonly ErrorCode[] = ['EVENT_INVALID', 'QUOTA_EXCEEDED'];
const SUBJECT = 'owntracks.>';
/** Older messages are dropped: a position is useless after a day. */
const MAX_AGE_MS = 86_400_000;
const ACK_WAIT_MS = 30_000;
const AGAIN_MS = 1_000;
/** The most messages that are unacknowledged at a time. */
const MAX_UNACKNOWLEDGED = 100;

/** Subscribes where `ingest.mqtt` is configured. Processes with the same prefix on the same server share the messages. */
export function owntracksOverMqtt(options: {
  readonly config: Config;
  readonly ingest: Ingest;
  /** The issued tokens, by which phones sign in where `ingest.mqtt.issuerSeed` is set. */
  readonly tokens: Tokens;
  /** The names of users. @default made of `config` */
  readonly names?: Names;
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
      if (error instanceof TagalongError && PERMANENT.includes(error.code)) {
        // The message holds a position, and its topic a user: neither is logged.
        log.warn({ why: error.message }, 'an OwnTracks message was dropped');
        message.term();
      } else {
        log.error({ err: error }, 'an OwnTracks message could not be published yet; it is redelivered');
        message.nak(AGAIN_MS);
      }
    }
  };

  return {
    async start() {
      // Loads the NATS client only where it is used.
      const { AckPolicy, nanos, RetentionPolicy, StorageType } = await import('nats');
      const { openLink } = await import('#shared/nats/connection.ts');
      const { BUS_ROLE } = await import('#shared/connection/role.ts');
      const { ensureStream } = await import('#shared/nats/streams.ts');
      const link = await openLink(await natsServer(mqtt, serverUrl(mqtt.url)!.hosts), BUS_ROLE);
      close = link.close;
      await refuseSharedAccount(link, options.config);
      if (mqtt.issuerSeed !== undefined) {
        const { answerLogins } = await import('./mqtt-logins.ts');
        const { tokens, names = createNames(options.config.ingest) } = options;
        await answerLogins({ link, issuerSeed: mqtt.issuerSeed, tokens, names, clock, log });
      }
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
        max_ack_pending: MAX_UNACKNOWLEDGED,
      });
      const consumer = await link.nc.jetstream().consumers.get(name, 'ingest');
      messages = await consumer.consume({ max_messages: MAX_UNACKNOWLEDGED });
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
 * Phones may publish only what they are permitted to, so they must not have the account of the services. The account is shared if it
 * has the streams of bus or store.
 * @throws TagalongError MQTT_ACCOUNT_SHARED, BUS_REFUSED where this account may not look at its streams
 */
async function refuseSharedAccount({ jsm }: Link, { bus, store }: Config): Promise<void> {
  const { apiCode, refusalOf, STREAM_NOT_FOUND } = await import('#shared/nats/errors.ts');
  const { BUS_ROLE } = await import('#shared/connection/role.ts');
  for (const stream of [`${bus.prefix}_events`, `KV_${store.prefix}_records`]) {
    const isThere = await jsm.streams.info(stream).then(
      () => true,
      (error) => {
        if (apiCode(error) === STREAM_NOT_FOUND) return false;
        throw refusalOf(BUS_ROLE, stream, error);
      },
    );
    if (!isThere) continue;
    const what = `ingest.mqtt: its account on the server has the stream ${stream} of the services`;
    throw new TagalongError('MQTT_ACCOUNT_SHARED', `${what}; ${OWN_ACCOUNT}`);
  }
}

/** The last level of the topics that an app publishes to, beside that of its positions (owntracks/booklet, tech/mqtt). */
const KINDS: ReadonlySet<string> = new Set(['event', 'waypoint', 'waypoints', 'info', 'step', 'dump', 'status', 'cmd']);

/**
 * The MQTT topic of a NATS subject. In a subject, dots separate the levels, and `//` stands for a dot within a level. `//` is
 * converted first; otherwise `jane.doe` would become `jane`.
 * @throws TagalongError EVENT_INVALID where it is not the topic of a device, or has an empty level
 */
export function topicOf(subject: string): string {
  const levels = subject.split('.').map((level) => level.replaceAll('//', '.'));
  const isOfDevice = levels.length === 3 || (levels.length === 4 && KINDS.has(levels[3]!));
  if (!isOfDevice || levels.some((level) => level === '' || level.includes('/'))) {
    throw new TagalongError(
      'EVENT_INVALID',
      'topic: is not the topic of a device; publish to owntracks/<user>/<device>',
    );
  }
  return levels.join('/');
}
