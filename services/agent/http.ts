/** Orders to an agent: HTTP and JSON with mutual TLS. A client without a certificate of the role `control` is refused. */
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import type { TLSSocket } from 'node:tls';
import Fastify from 'fastify';
import type { AgentConfig } from '#shared/config/agent.ts';
import { TagalongError } from '#shared/errors.ts';
import { holderOf } from '#shared/hypervisor/qemu/holder.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { foreignText } from '#shared/text.ts';
import { readCredentials } from '../sites/hosts/credentials.ts';
import { watchCertificates } from '../sites/hosts/renewal.ts';
import type { QemuAgent } from './agent.ts';
import { QmpError } from './qmp.ts';

const VERSIONS = { minVersion: 'TLSv1.3' } as const;

/**
 * Serves the agent until `close`, with renewed certificates from soon after their files have changed. Status codes: 403 without a certificate of the role `control`, 409 for a refused order, 500 if QEMU
 * refuses a command or an error is unexpected.
 * @throws TagalongError CONFIG_UNREADABLE where a certificate cannot be read, PORT_UNAVAILABLE
 */
export async function serveAgent(agent: QemuAgent, { listen, tls, site }: AgentConfig, parent: Log) {
  const log = serviceLog(parent, 'agent');
  const credentials = await readCredentials(tls);
  const app = Fastify({
    https: { ...credentials, ...VERSIONS, requestCert: true, rejectUnauthorized: true },
    routerOptions: { maxParamLength: 1024 },
    // Connections stay open, so that orders during the downtime need no handshake.
    keepAliveTimeout: 300_000,
  });
  const open = new Set<TLSSocket>();
  const outdated = new WeakSet<TLSSocket>();
  app.server.on('secureConnection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  app.addHook('onResponse', async (request) => {
    const socket = request.raw.socket as TLSSocket;
    if (outdated.has(socket)) socket.destroySoon();
  });
  app.addHook('onRequest', async (request, reply) => {
    const { subject } = (request.raw.socket as TLSSocket).getPeerCertificate();
    const holder = holderOf(subject);
    if (holder?.role === 'control') return;
    const { role, name } = holder ?? { role: 'no role', name: subject?.CN };
    log.warn({ event: 'refused', role, holder: foreignText(name, 128) }, 'a certificate gives no right to orders');
    const message = `orders to ${site} need a certificate of the role control; renew yours: deploy/UPGRADE.md says how`;
    await reply.code(403).send({ error: { code: 'FORBIDDEN', message } });
  });
  app.setErrorHandler((error, request, reply) => {
    const known = error instanceof TagalongError;
    const code = known ? error.code : error instanceof QmpError ? 'QEMU_REFUSED' : 'INTERNAL';
    if (!known) log.error({ err: error, route: request.routeOptions.url }, 'an order failed');
    return reply.code(known ? 409 : 500).send({ error: { code, message: foreignText((error as Error).message) } });
  });

  app.get('/v1/status', () => agent.status());
  app.get<{ Params: { vm: string } }>('/v1/vms/:vm', ({ params }) => agent.instance(params.vm));
  app.post<{ Params: { vm: string }; Body: { words: string[] } }>('/v1/vms/:vm/guest', async ({ params, body }) => {
    const words = body?.words;
    if (!Array.isArray(words)) throw new TagalongError('EVENT_INVALID', 'words: give a verb and its arguments, a list');
    return { answer: await agent.guest(params.vm, words) };
  });
  app.post<{ Params: { vm: string; order: string }; Body: unknown }>('/v1/vms/:vm/:order', async ({ params, body }) => {
    return agent.order(params.vm, params.order, body);
  });

  try {
    if ('socket' in listen) {
      await mkdir(dirname(listen.socket), { recursive: true });
      await rm(listen.socket, { force: true });
      await app.listen({ path: listen.socket });
    } else await app.listen({ host: listen.host, port: listen.port });
  } catch (cause) {
    throw unavailable(listen, cause);
  }
  const unwatch = watchCertificates(tls, log, (renewed) => {
    app.server.setSecureContext({ ...renewed, ...VERSIONS });
    // An open connection may be that of a certificate which counts no more.
    for (const socket of open) outdated.add(socket);
    app.server.closeIdleConnections();
  });
  return {
    async close() {
      unwatch();
      await app.close();
    },
  };
}

/**
 * Checks that the agent can read its certificates and that its port is free.
 * @throws TagalongError CONFIG_UNREADABLE, PORT_UNAVAILABLE
 */
export async function checkServing({ listen, tls }: AgentConfig): Promise<void> {
  await readCredentials(tls);
  if ('socket' in listen) return;
  const server = createServer();
  try {
    server.listen({ host: listen.host, port: listen.port });
    await once(server, 'listening');
  } catch (cause) {
    throw unavailable(listen, cause);
  }
  server.close();
  await once(server, 'close');
}

function unavailable(listen: AgentConfig['listen'], cause: unknown): TagalongError {
  const where = 'socket' in listen ? listen.socket : `${listen.host}:${listen.port}`;
  const { code } = cause as NodeJS.ErrnoException;
  return new TagalongError(
    'PORT_UNAVAILABLE',
    `cannot listen for orders at ${where} (${code}); set listen to a free address of this host`,
    { cause },
  );
}
