/** Speaks to one site's agent. */
import { Agent, request } from 'node:https';
import { TagalongError } from '../../errors.ts';
import type { OrderAnswer, OrderBody, OrderName, SiteStatus } from './protocol.ts';

/** An order that an agent refused, by the agent's code. */
export class RefusedOrder extends Error {
  override readonly name = 'RefusedOrder';
  /** As in `shared/errors.ts`, or `QEMU_REFUSED`, `FORBIDDEN`, `INTERNAL`. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** The agent of one site. All calls throw {@link RefusedOrder}, or TagalongError AGENT_UNREACHABLE. */
export interface AgentClient {
  readonly site: string;
  status(): Promise<SiteStatus>;
  instance(vm: string): Promise<OrderAnswer>;
  order<O extends OrderName>(vm: string, name: O, body: OrderBody<O>): Promise<OrderAnswer>;
  guest(vm: string, words: readonly string[]): Promise<string>;
  /** What has to be taken off the site's clock to have this process's, in milliseconds. */
  readonly clockAheadMs: number;
  close(): void;
}

/** Certificate, key and authority, in PEM. */
export interface Credentials {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** An order may start QEMU, or wait for clients to join; a question waits for nothing. */
const ANSWER_MS = { GET: 5_000, POST: 90_000 };

/**
 * @param url `https://host:port`, or `unix:/path` for an agent on the same host
 */
export function agentClient(site: string, url: string, credentials: Credentials): AgentClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 8, ...credentials, servername: site });
  const where = url.startsWith('unix:')
    ? { socketPath: url.slice('unix:'.length), host: site }
    : { host: new URL(url).hostname, port: Number(new URL(url).port || 443) };
  let clock = { aheadMs: 0, roundTripMs: Number.POSITIVE_INFINITY };

  const ask = async <T>(method: 'GET' | 'POST', path: string, body?: object): Promise<T> => {
    const sentAtMs = Date.now();
    const { status, text } = await exchange(method, path, body);
    let answer: { atMs?: number; error?: { code: string; message: string } };
    try {
      answer = JSON.parse(text);
    } catch {
      throw new TagalongError('AGENT_UNREACHABLE', `${site}: what answers at ${url} is no agent`);
    }
    if (status >= 400) {
      throw new RefusedOrder(answer.error?.code ?? 'INTERNAL', `${site}: ${answer.error?.message ?? status}`);
    }
    const roundTripMs = Date.now() - sentAtMs;
    // As in NTP: the exchange that took the shortest is off by the least.
    if (method === 'GET' && answer.atMs !== undefined && roundTripMs <= clock.roundTripMs) {
      clock = { aheadMs: answer.atMs - (sentAtMs + roundTripMs / 2), roundTripMs };
    }
    return answer as T;
  };

  const exchange = (method: 'GET' | 'POST', path: string, body?: object) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const fail = (cause: NodeJS.ErrnoException) =>
        reject(
          new TagalongError(
            'AGENT_UNREACHABLE',
            `${site}: its agent at ${url} does not answer (${cause.code ?? cause.message})`,
            { cause },
          ),
        );
      const headers = body ? { 'content-type': 'application/json' } : {};
      const call = request({ ...where, agent, method, path, headers, timeout: ANSWER_MS[method] }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          text += part;
        });
        response.on('error', fail);
        response.on('end', () => resolve({ status: response.statusCode!, text }));
      });
      call.on('timeout', () => call.destroy(new Error(`silent for ${ANSWER_MS[method]} ms`)));
      call.on('error', fail);
      call.end(body && JSON.stringify(body));
    });

  const of = (vm: string) => `/v1/vms/${encodeURIComponent(vm)}`;
  return {
    site,
    status: () => ask('GET', '/v1/status'),
    instance: (vm) => ask('GET', of(vm)),
    order: (vm, name, body) => ask('POST', `${of(vm)}/${name}`, body),
    guest: async (vm, words) => (await ask<{ answer: string }>('POST', `${of(vm)}/guest`, { words })).answer,
    get clockAheadMs() {
      return clock.aheadMs;
    },
    close: () => agent.destroy(),
  };
}
