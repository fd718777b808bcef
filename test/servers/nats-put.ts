/** Publishes messages to the stream of an installation on NATS, without its bus. */
import { connect, headers as newHeaders } from 'nats';
import { escapeToken } from '#shared/nats/tokens.ts';
import type { Foreign } from '../e2e/foreign.ts';

/** Resolves when the server has stored the messages in order. @param prefix `bus.prefix` of the installation */
export async function putOnNats(url: string, prefix: string, messages: readonly Foreign[]): Promise<void> {
  const nc = await connect({ servers: url });
  for (const { type, key, partition, value, headers = {}, id } of messages) {
    const own = newHeaders();
    for (const [name, text] of Object.entries(headers)) own.set(name, text);
    if (id !== undefined) own.set('Nats-Msg-Id', id);
    const subject = [prefix, partition, type, ...(key === null ? [] : [escapeToken(key)])].join('.');
    nc.publish(subject, value ?? '', { headers: own });
  }
  await nc.flush();
  await nc.close();
}
