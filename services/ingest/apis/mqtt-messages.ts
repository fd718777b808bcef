/** The stored MQTT messages of one user: those that ingest has not read yet, and the retained ones of the MQTT gateway. */
import type { JetStreamManager } from 'nats';
import type { IngestConfig } from '#shared/config/schema.ts';
import { serverUrl } from '#shared/config/server.ts';
import { BUS_ROLE } from '#shared/connection/role.ts';
import { apiCode, refusalOf, STREAM_NOT_FOUND } from '#shared/nats/errors.ts';
import { deleteMessage } from '#shared/nats/streams.ts';
import { natsServer } from '#shared/open.ts';

/** Finds and deletes the stored messages of users, by the operator's id. */
export interface UserMessages {
  /** The texts of the messages. @throws TagalongError BUS_REFUSED, BUS_UNREACHABLE */
  find(user: string): Promise<readonly string[]>;
  /** Deletes the messages. @returns their number. @throws TagalongError BUS_REFUSED, BUS_UNREACHABLE */
  erase(user: string): Promise<number>;
}

/** The stream of the gateway with the last message of each topic, which phones ask it to retain. */
const RETAINED = { stream: '$MQTT_rmsgs', prefix: '$MQTT.rmsgs.' };
const NO_MESSAGE = 10037;

type Mqtt = NonNullable<IngestConfig['mqtt']>;

/** The messages on the server of `ingest.mqtt`. Each call opens a connection of its own, with the credentials of ingest. */
export function mqttMessages(mqtt: Mqtt): UserMessages {
  const connected = async <T>(work: (messages: UserMessages) => Promise<T>): Promise<T> => {
    // Loads the NATS client only where it is used.
    const { openLink } = await import('#shared/nats/connection.ts');
    const link = await openLink(await natsServer(mqtt, serverUrl(mqtt.url)!.hosts), BUS_ROLE);
    try {
      return await work(userMessages(link.jsm, `${mqtt.prefix}_owntracks`));
    } finally {
      await link.close();
    }
  };
  return {
    find: (user) => connected((messages) => messages.find(user)),
    erase: (user) => connected((messages) => messages.erase(user)),
  };
}

/** @param stream the name of the stream of messages that ingest has not read yet */
function userMessages(jsm: JetStreamManager, stream: string): UserMessages {
  const each = async (user: string, work: (stream: string, seq: number, text: string) => Promise<unknown>) => {
    // In a subject, // stands for a dot of a topic. Other characters cannot be in one.
    const level = user.replaceAll('.', '//');
    if (/[\s*>]|(?<!\/)\/(?!\/)/.test(level)) return;
    for (const from of [{ stream, prefix: '' }, RETAINED]) {
      const subject = `${from.prefix}owntracks.${level}.>`;
      for (let seq = 1; ; seq++) {
        const message = await nextOf(jsm, from.stream, subject, seq);
        if (message === undefined) break;
        seq = message.seq;
        await work(from.stream, seq, new TextDecoder().decode(message.data));
      }
    }
  };
  return {
    async find(user) {
      const texts: string[] = [];
      await each(user, async (_stream, _seq, text) => texts.push(text));
      return texts;
    },
    async erase(user) {
      let erased = 0;
      await each(user, async (from, seq) => {
        const isGone = await deleteMessage({ jsm }, from, seq).catch((error) => {
          throw refusalOf(BUS_ROLE, from, error);
        });
        if (isGone) erased++;
      });
      return erased;
    },
  };
}

/** The first message of a subject from a number on; undefined if there is none, or no such stream. */
async function nextOf(jsm: JetStreamManager, stream: string, subject: string, seq: number) {
  try {
    // The types of the client do not know `next_by_subj`.
    return await jsm.streams.getMessage(stream, { seq, next_by_subj: subject } as { seq: number });
  } catch (error) {
    if ([NO_MESSAGE, STREAM_NOT_FOUND].includes(apiCode(error) ?? 0)) return undefined;
    throw refusalOf(BUS_ROLE, stream, error);
  }
}
