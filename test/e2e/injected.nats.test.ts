/** Messages that others put into the stream of services that run on a real NATS server. */
import { connect, headers as newHeaders } from 'nats';
import { escapeToken } from '#shared/bus/nats/names.ts';
import { onNats, startNats } from '../servers/nats.ts';
import { type Foreign, injectedOn } from './injected-on.ts';

onNats('what others put on the wire of NATS', () =>
  injectedOn(async () => {
    const server = await startNats();
    const put = async (prefix: string, messages: readonly Foreign[]) => {
      const nc = await connect({ servers: server.url });
      for (const { type, key, partition, value, headers = {}, id } of messages) {
        const own = newHeaders();
        for (const [name, text] of Object.entries(headers)) own.set(name, text);
        if (id !== undefined) own.set('Nats-Msg-Id', id);
        const subject = [prefix, partition, type, ...(key === null ? [] : [escapeToken(key)])].join('.');
        nc.publish(subject, value ?? '', { headers: own });
      }
      await nc.flush();
      await nc.close();
    };
    return { url: server.url, put, stop: () => server.stop() };
  }),
);
