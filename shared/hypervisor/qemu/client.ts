/** A client of one site's agent. Refuses every answer that does not fit the request: an agent may be hostile. */
import type { IncomingMessage } from 'node:http';
import { Agent, type RequestOptions, request } from 'node:https';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { Compile } from 'typebox/compile';
import { TagalongError } from '../../errors.ts';
import { type Answer, type AnswerLimits, readBounded } from '../../http/answer.ts';
import { foreignText } from '../../text.ts';
import { holderOf } from './holder.ts';
import {
  GuestAnswer,
  type InstanceStatus,
  OrderAnswer,
  type OrderBody,
  type OrderName,
  Refusal,
  SiteStatus,
} from './protocol.ts';
import { type DeclaredUplink, refuseOtherAddresses } from './uplinks.ts';

/** An order that an agent refused. `code` is the agent's. */
export class RefusedOrder extends Error {
  override readonly name = 'RefusedOrder';
  /** As in `shared/errors.ts`, or `QEMU_REFUSED`, `FORBIDDEN`, `INTERNAL`. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** The agent of one site. All calls throw {@link RefusedOrder}, or TagalongError AGENT_UNREACHABLE, AGENT_ANSWER_INVALID, UPLINK_ADDRESS_DIFFERS. */
export interface AgentClient {
  readonly site: string;
  status(): Promise<SiteStatus>;
  instance(vm: string): Promise<OrderAnswer>;
  order<O extends OrderName>(vm: string, name: O, body: OrderBody<O>): Promise<OrderAnswer>;
  guest(vm: string, words: readonly string[]): Promise<string>;
  /** How far the site's clock is ahead of this process's, in milliseconds. */
  readonly clockAheadMs: number;
  /** Uses other certificates from the next request on. Requests that are under way end first. */
  renew(credentials: Credentials): void;
  close(): void;
}

/** Certificate, key and authority, and the list of revoked certificates if there is one, in PEM. */
export interface Credentials {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly crl?: Buffer;
}

/** An order may start QEMU or wait for clients to join; a query does not wait. The status of one VM takes about a kilobyte. */
const LIMITS: Record<'status' | 'question' | 'order', AnswerLimits> = {
  status: { mostBytes: 16 * 2 ** 20, withinMs: 5_000 },
  question: { mostBytes: 64 * 2 ** 10, withinMs: 5_000 },
  order: { mostBytes: 64 * 2 ** 10, withinMs: 90_000 },
};
const CODE = /^[A-Z][A-Z_]{1,63}$/;

const checks = {
  status: Compile(SiteStatus),
  order: Compile(OrderAnswer),
  guest: Compile(GuestAnswer),
  refusal: Compile(Refusal),
};

/**
 * Makes the client of a site's agent.
 * @param url `https://host:port`, or `unix:/path` for an agent on the same host
 * @param uplinks gives the uplinks of the site as they are declared now. Where one has an address, the agent may name no other
 */
export function agentClient(
  site: string,
  url: string,
  credentials: Credentials,
  uplinks: () => readonly DeclaredUplink[] = () => [],
): AgentClient {
  const connection = new AgentConnection(site, url, credentials);
  const aboutVm = async (vm: string, limits: AnswerLimits, more: string, body?: object) => {
    const answer = await connection.ask(checks.order, limits, `/v1/vms/${encodeURIComponent(vm)}${more}`, body);
    const { instance, landing } = answer;
    if (instance !== undefined && instance.vm !== vm) {
      throw connection.invalid(`asked about ${vm}, it tells of ${instance.vm}`);
    }
    if (landing !== undefined) refuseOtherAddresses(site, landing.endpoints, uplinks());
    return instance === undefined ? answer : { ...answer, instance: cleaned(instance) };
  };
  return {
    site,
    async status() {
      const status = await connection.ask(checks.status, LIMITS.status, '/v1/status');
      if (status.site !== site) throw connection.invalid(`it is the agent of ${status.site}`);
      refuseOtherAddresses(site, status.endpoints, uplinks());
      return { ...status, instances: status.instances.map(cleaned) };
    },
    instance: (vm) => aboutVm(vm, LIMITS.question, ''),
    order: (vm, name, body) => aboutVm(vm, LIMITS.order, `/${name}`, body),
    async guest(vm, words) {
      const path = `/v1/vms/${encodeURIComponent(vm)}/guest`;
      return (await connection.ask(checks.guest, LIMITS.order, path, { words })).answer;
    },
    get clockAheadMs() {
      return connection.clockAheadMs;
    },
    renew: (renewed) => connection.renew(renewed),
    close: () => connection.close(),
  };
}

/** The requests to one agent. Checks every answer, and compares the agent's clock with this host's. */
class AgentConnection {
  readonly #site: string;
  readonly #url: string;
  #agent: Agent;
  readonly #where: { readonly host: string; readonly port?: number; readonly socketPath?: string };
  #clock = { aheadMs: 0, roundTripMs: Number.POSITIVE_INFINITY };

  constructor(site: string, url: string, credentials: Credentials) {
    this.#site = site;
    this.#url = url;
    this.#agent = this.#connections(credentials);
    this.#where = url.startsWith('unix:')
      ? { socketPath: url.slice('unix:'.length), host: site }
      : { host: new URL(url).hostname, port: Number(new URL(url).port || 443) };
  }

  get clockAheadMs(): number {
    return this.#clock.aheadMs;
  }

  /** @param body of an order; a question has none. @throws TagalongError AGENT_UNREACHABLE, AGENT_ANSWER_INVALID; RefusedOrder */
  async ask<T>(check: Check<T>, limits: AnswerLimits, path: string, body?: object): Promise<T> {
    const sentAtMs = Date.now();
    const { status, text } = await this.#exchange(limits, path, body);
    let answer: unknown;
    try {
      answer = JSON.parse(text);
    } catch (cause) {
      throw this.invalid('the answer is not JSON', cause);
    }
    if (status >= 400) {
      if (!checks.refusal.Check(answer)) throw this.invalid(`it has status ${status} and no reason`);
      const { code, message } = answer.error;
      throw new RefusedOrder(CODE.test(code) ? code : 'INTERNAL', `${this.#site}: ${foreignText(message)}`);
    }
    if (!check.Check(answer)) throw this.invalid(faultOf(check, answer));
    const roundTripMs = Date.now() - sentAtMs;
    // As in NTP (RFC 5905): the shortest round trip has the smallest error.
    if (body === undefined && hasTime(answer) && roundTripMs <= this.#clock.roundTripMs) {
      this.#clock = { aheadMs: answer.atMs - (sentAtMs + roundTripMs / 2), roundTripMs };
    }
    return answer;
  }

  /** The error about an answer that no agent gives. */
  invalid(why: string, cause?: unknown): TagalongError {
    return new TagalongError(
      'AGENT_ANSWER_INVALID',
      `${this.#site}: the answer from ${this.#url} is not that of an agent of this version: ${why}; check the address and the version`,
      { cause },
    );
  }

  /** Uses other credentials from the next request on. */
  renew(credentials: Credentials): void {
    const former = this.#agent;
    this.#agent = this.#connections(credentials);
    // Connections in use are closed when their request has ended.
    former.maxFreeSockets = 0;
    for (const socket of Object.values(former.freeSockets).flat()) socket?.destroy();
  }

  close(): void {
    this.#agent.destroy();
  }

  #connections(credentials: Credentials): Agent {
    return new Agent({
      ...credentials,
      keepAlive: true,
      maxSockets: 8,
      servername: this.#site,
      checkServerIdentity: (_host, certificate) => faultOfAgent(this.#site, certificate),
    });
  }

  async #exchange({ mostBytes, withinMs }: AnswerLimits, path: string, body?: object): Promise<Answer> {
    const signal = AbortSignal.timeout(withinMs);
    try {
      const headers = body ? { 'content-type': 'application/json' } : {};
      const method = body ? 'POST' : 'GET';
      const options = { ...this.#where, agent: this.#agent, method, path, headers, signal };
      const response = await send(options, body && JSON.stringify(body));
      return { status: response.statusCode!, text: await readBounded(response, mostBytes) };
    } catch (cause) {
      if (cause instanceof TagalongError) throw this.invalid(cause.message, cause);
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code?.startsWith('HPE_')) throw this.invalid(`it is not HTTP (${code})`, cause);
      const why = signal.aborted ? `no answer within ${withinMs} ms` : (code ?? message);
      throw new TagalongError(
        'AGENT_UNREACHABLE',
        `${this.#site}: the agent at ${this.#url} does not answer (${why}); check that it runs and can be reached`,
        { cause },
      );
    }
  }
}

/** The reason why a certificate is not that of a site's agent; undefined if it is. */
function faultOfAgent(site: string, certificate: PeerCertificate): Error | undefined {
  const holder = holderOf(certificate.subject);
  if (holder?.role === 'site' && holder.name === site) return checkServerIdentity(site, certificate);
  const shown = holder ? `the ${holder.role} ${foreignText(holder.name, 128)}` : 'nobody with a role';
  return new Error(
    `its certificate is that of ${shown}, not of the site ${site}; renew it: deploy/UPGRADE.md says how`,
  );
}

/** A compiled schema. */
interface Check<T> {
  Check(value: unknown): value is T;
  Errors(value: unknown): readonly { readonly instancePath: string; readonly message: string }[];
}

/** The first place where an answer does not match its schema; without the value there, which may be a secret or hostile. */
function faultOf(check: Check<unknown>, answer: unknown): string {
  const [first] = check.Errors(answer);
  return foreignText(`${first?.instancePath || 'the answer'} ${first?.message ?? 'does not fit'}`, 200);
}

function hasTime(answer: unknown): answer is { atMs: number } {
  return typeof (answer as { atMs?: unknown }).atMs === 'number';
}

/** Sends a request. Resolves with the answer as soon as its headers have arrived. */
function send(options: RequestOptions, body: string | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const call = request(options, resolve);
    call.on('error', reject);
    call.end(body);
  });
}

/** Sanitizes the reasons of failed copies: QEMU wrote them, and a hostile guest may control its QEMU. */
function cleaned({ copy, disk, ...rest }: InstanceStatus): InstanceStatus {
  const clean = (status: NonNullable<InstanceStatus['copy']>) => {
    if (status.failure === undefined) return status;
    const { code, reason } = status.failure;
    return { ...status, failure: { code: CODE.test(code) ? code : 'INTERNAL', reason: foreignText(reason) } };
  };
  return { ...rest, ...(copy && { copy: clean(copy) }), ...(disk && { disk: clean(disk) }) };
}
