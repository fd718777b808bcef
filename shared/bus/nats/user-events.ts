/** The stored events about users in the stream. */
import { ErrorCode, NatsError, nuid } from 'nats';
import { BUS_ROLE } from '../../connection/role.ts';
import { decode, type Event } from '../../events/index.ts';
import type { Link } from '../../nats/connection.ts';
import { patiently, refusalOf } from '../../nats/errors.ts';
import { PULL, PullConsumer, type Received } from '../../nats/pull-consumer.ts';
import { deleteMessage } from '../../nats/streams.ts';
import type { UserEvents } from '../bus.ts';
import { isAbout, isLetterAbout, PERSONAL_TYPES } from '../personal.ts';
import type { Names } from './names.ts';

/** How many messages are deleted at a time. */
const AT_A_TIME = 64;

/** Reads the stream from its beginning: an event has its VM in its subject, and its user in its data only. */
export function userEvents(link: Link, names: Names): UserEvents {
  const refused = (error: unknown): never => {
    throw refusalOf(BUS_ROLE, names.events, error);
  };
  const { find, erase } = storedEvents(link, names);
  return {
    find: (users, most) => find(users, most).catch(refused),
    erase: (users) => erase(users).catch(refused),
  };
}

function storedEvents(link: Link, names: Names): UserEvents {
  return {
    async find(users, most) {
      const found = new Map<number, Event>();
      const keepLatest = () => {
        const old = [...found.keys()].sort((a, b) => a - b).slice(0, -most);
        for (const seq of old) found.delete(seq);
      };
      await eachAbout(link, names, users, (seq, event) => {
        if (event !== undefined) found.set(seq, event);
        if (found.size >= 2 * most) keepLatest();
      });
      keepLatest();
      return [...found].sort(([a], [b]) => a - b).map(([, event]) => event);
    },
    async erase(users) {
      const seqs = new Set<number>();
      await eachAbout(link, names, users, (seq) => seqs.add(seq));
      const all = [...seqs];
      let erased = 0;
      for (let i = 0; i < all.length; i += AT_A_TIME) {
        const gone = await Promise.all(
          all
            .slice(i, i + AT_A_TIME)
            .map((seq) => patiently(BUS_ROLE, names.events, () => deleteMessage(link, names.events, seq))),
        );
        erased += gone.filter(Boolean).length;
      }
      return erased;
    },
  };
}

/**
 * Calls back for each stored message about one of these users, by type.
 * @param onMessage receives the event, too, unless the message is none of ours
 */
async function eachAbout(
  link: Link,
  names: Names,
  users: readonly string[],
  onMessage: (seq: number, event: Event | undefined) => void,
): Promise<void> {
  const quoted = users.map((user) => Buffer.from(user));
  // One type at a time: a server compares every message with several filters slowly.
  for (const type of PERSONAL_TYPES) {
    await patiently(BUS_ROLE, names.events, () =>
      eachStored(link, names.events, names.ofType(type), (message) => {
        const bytes = Buffer.from(message.data.buffer, message.data.byteOffset, message.data.length);
        if (!quoted.some((user) => bytes.includes(user))) return;
        const event = eventIn(bytes);
        const about = (user: string) =>
          event === undefined ? isLetterAbout(bytes.toString(), user) : isAbout(event, user);
        if (users.some(about)) onMessage(message.seq, event);
      }),
    );
  }
}

/** The event in a message; undefined if it is none of ours. */
function eventIn(bytes: Buffer): Event | undefined {
  try {
    return decode(bytes.toString());
  } catch {
    return undefined;
  }
}

/** Reads all messages that the stream has at the moment. It may begin anew, and then repeats messages. */
async function eachStored(
  link: Link,
  stream: string,
  filter: string,
  onMessage: (message: Received) => void,
): Promise<void> {
  const name = `read~${nuid.next()}`;
  const { promise: complete, resolve, reject } = Promise.withResolvers<void>();
  const consumer = await PullConsumer.open(link, {
    ...{ stream, name, durable: false, filters: [filter], start: 1 },
    room: () => PULL,
    onMessage(message) {
      onMessage(message);
      if (message.pending === 0) resolve();
    },
    onBroken: () => reject(NatsError.errorForCode(ErrorCode.Disconnect)),
  });
  try {
    if (consumer.pending > 0) await complete;
  } finally {
    consumer.close();
    link.jsm.consumers.delete(stream, name).catch(() => {});
  }
}
