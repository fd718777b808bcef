/** Injects foreign messages into the stream of running services on a real NATS server. */
import { onNats, startNats } from '../servers/nats.ts';
import { putOnNats } from '../servers/nats-put.ts';
import { injectedOn } from './injected-on.ts';

onNats('foreign messages on NATS', () =>
  injectedOn(async () => {
    const server = await startNats();
    return {
      url: server.url,
      put: (prefix, messages) => putOnNats(server.url, prefix, messages),
      stop: () => server.stop(),
    };
  }),
);
