/**
 * The bus on NATS JetStream: one stream of events, one durable consumer for each partition of each group, and two buckets
 * by which the members of a group share the partitions. README.md beside this file says how, and what it promises.
 */

import { BUS_ROLE } from '../../connection/role.ts';
import type { ConnectionWatch } from '../../connection/watch.ts';
import { TagalongError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { type Link, openLink, watchLink } from '../../nats/connection.ts';
import type { NatsCounters } from '../../nats/counters.ts';
import { patiently, refusalOf } from '../../nats/errors.ts';
import { writeRecord } from '../../nats/record.ts';
import { Sender } from '../../nats/sender.ts';
import { bucketName, bucketStream, bucketSubject, ensureStream, eventStream } from '../../nats/streams.ts';
import { type Bus, MAX_EVENT_BYTES, type Subscribe, type Subscription } from '../bus.ts';
import { closedError } from '../closed.ts';
import { readAudit } from './audited.ts';
import { lastOf } from './feed.ts';
import { Lags } from './lags.ts';
import { subscribeLatest } from './latest.ts';
import { Member } from './member.ts';
import { GroupMembership } from './membership.ts';
import { type Names, namesOf } from './names.ts';
import { AUDIT_BYTES, DUPLICATE_WINDOW_MS, type NatsBusOptions, withDefaults } from './options.ts';
import { Publisher } from './publisher.ts';
import { userEvents } from './user-events.ts';

/** How long the server stores a heartbeat. */
const HEARTBEAT_KEPT_MS = 10_000;
/** Keys in the bucket of places. They have one token; a committed offset's has two. */
const PARTITIONS_KEY = 'partitions';
const INSTALLATION_KEY = 'installation';

/** The bus, with counters of what happens to its connection. */
export interface NatsBus extends Bus {
  readonly counters: Readonly<NatsCounters>;
}

/**
 * Connects, and creates missing streams and buckets.
 * @throws TagalongError BUS_UNREACHABLE, BUS_REFUSED, BUS_UNFIT, CONFIG_INVALID
 */
export async function natsBus(options: NatsBusOptions): Promise<NatsBus> {
  const settings = withDefaults(options);
  const names = namesOf(settings.prefix, settings.partitions);
  const link = await openLink(options, BUS_ROLE);
  const sender = new Sender(link);
  try {
    await ensureStreams(link, names, settings);
    // The server has lost the streams that it had only in memory.
    link.onReconnect(() => void ensureStreams(link, names, settings).catch(() => {}));
    await fixPartitions(sender, link, names, settings.partitions);
    const membership = await patiently(BUS_ROLE, names.places, () => GroupMembership.open(link, sender, names));
    const watch = watchLink(link, names.events, options.log);
    const { partitions, locationMaxAgeMs, maxAgeMs } = settings;
    const isShorter = locationMaxAgeMs < maxAgeMs;
    const ttl = isShorter && (await allowsTtls(link, names, options.log)) ? { locationMaxAgeMs } : {};
    return busOn({ link, names, partitions, sender, membership, watch, log: options.log, ...ttl });
  } catch (error) {
    sender.close();
    await link.close();
    throw refusalOf(BUS_ROLE, names.events, error);
  }
}

/** True if messages of the stream may have an age of their own. */
async function allowsTtls(link: Link, names: Names, log: Log | undefined): Promise<boolean> {
  const { config } = await patiently(BUS_ROLE, names.events, () => link.jsm.streams.info(names.events));
  // The types of the client do not know it.
  if ((config as { readonly allow_msg_ttl?: boolean }).allow_msg_ttl) return true;
  const why = link.messageTtls
    ? 'the migrator has not changed the stream yet: start it, then this process again'
    : 'nats-server is older than 2.11';
  log?.warn({ why }, 'the bus keeps positions as long as other events');
  return false;
}

async function ensureStreams(link: Link, names: Names, settings: ReturnType<typeof withDefaults>): Promise<void> {
  const { storage, replicas, maxAgeMs, auditMaxAgeMs, maxBytes } = settings;
  const limits = { maxAgeMs, maxBytes, duplicateWindowMs: DUPLICATE_WINDOW_MS, messageTtls: link.messageTtls };
  const events = eventStream({ name: names.events, subject: names.all, storage, replicas, ...limits });
  const audit = eventStream({
    ...{ name: names.audit, subject: names.auditSubject, storage, replicas },
    ...{ ...limits, maxAgeMs: auditMaxAgeMs, maxBytes: AUDIT_BYTES },
  });
  const places = bucketStream({ bucket: names.places, storage, replicas });
  const members = bucketStream({ bucket: names.members, storage, replicas, maxAgeMs: HEARTBEAT_KEPT_MS });
  for (const stream of [events, audit, places, members]) {
    await patiently(BUS_ROLE, stream.name, () => ensureStream(link.jsm, stream));
  }
}

/** Records the number of partitions, or compares it with the recorded number. */
async function fixPartitions(sender: Sender, link: Link, names: Names, partitions: number): Promise<void> {
  const begun = await writtenFirst<{ partitions: number }>(sender, link, names, PARTITIONS_KEY, { partitions });
  if (begun.partitions === partitions) return;
  const message = `partitions: ${partitions}, but ${names.events} was made with ${begun.partitions}; set bus.partitions to ${begun.partitions}, or choose another bus.prefix`;
  throw new TagalongError('CONFIG_INVALID', message);
}

/** Writes a record that never changes, unless it exists. @returns the value that was written first */
async function writtenFirst<T>(sender: Sender, link: Link, names: Names, key: string, value: T): Promise<T> {
  const record = { bucket: names.places, key, text: JSON.stringify(value), expected: 0 };
  if ((await writeRecord(sender, record)) !== undefined) return value;
  const subject = bucketSubject(names.places, key);
  const { data } = await patiently(BUS_ROLE, names.places, () =>
    link.jsm.streams.getMessage(bucketName(names.places), { last_by_subj: subject }),
  );
  return JSON.parse(new TextDecoder().decode(data)) as T;
}

interface BusParts {
  readonly link: Link;
  readonly names: Names;
  readonly partitions: number;
  readonly sender: Sender;
  readonly membership: GroupMembership;
  readonly watch: ConnectionWatch;
  readonly log: Log | undefined;
  /** How long the stream keeps positions. @default as long as other events */
  readonly locationMaxAgeMs?: number;
}

function busOn({ link, names, partitions, sender, membership, watch, log, locationMaxAgeMs }: BusParts): NatsBus {
  const publisher = new Publisher(sender, names, locationMaxAgeMs);
  const lags = new Lags(link, membership, names);
  const subscriptions = new Set<Subscription>();
  let closing: Promise<void> | undefined;
  let closed = false;

  const publish: Bus['publish'] = async (events) => {
    if (closed) throw closedError('publish');
    await publisher.publish(events);
  };
  const end = () => patiently(BUS_ROLE, names.events, () => lastOf(link, names.events));
  const open = async (
    { group, types, latest, exclusive, assigned }: Subscribe,
    handler: Parameters<Bus['subscribe']>[1],
  ) => {
    const { counters } = link;
    const common = { link, names, partitions, group, types: new Set(types), handler, assigned, counters, publish, end };
    if (latest) return subscribeLatest(common);
    return Member.join({ ...common, membership, exclusive: exclusive ?? false, log });
  };
  const close = async () => {
    // Running handlers may still publish.
    await Promise.all([...subscriptions].map((subscription) => subscription.stop()));
    closed = true;
    watch.close();
    lags.close();
    membership.close();
    if (link.connected) await link.nc.flush();
    sender.close();
    await link.close();
  };
  return {
    counters: link.counters,
    publish,
    async subscribe(options, handler) {
      if (closing !== undefined) throw closedError('subscribe');
      const opened = await open(options, handler).catch((error) => {
        throw refusalOf(BUS_ROLE, options.group, error);
      });
      if (closing !== undefined) {
        await opened.stop();
        throw closedError('subscribe');
      }
      subscriptions.add(opened);
      return {
        async stop() {
          await opened.stop();
          subscriptions.delete(opened);
        },
      };
    },
    async audited(query) {
      if (closing !== undefined) throw closedError('audited');
      return readAudit(link, names, query).catch((error) => {
        throw refusalOf(BUS_ROLE, names.audit, error);
      });
    },
    lag: () => lags.all,
    async claim(installation) {
      const written = await writtenFirst(sender, link, names, INSTALLATION_KEY, { installation });
      return written.installation;
    },
    userEvents: userEvents(link, names),
    connected: () => watch.state,
    get maxEventBytes() {
      return Math.min(MAX_EVENT_BYTES, link.nc.info?.max_payload ?? MAX_EVENT_BYTES);
    },
    close: () => (closing ??= close()),
  };
}
