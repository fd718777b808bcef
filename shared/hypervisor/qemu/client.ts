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
  const connections = (shown: Credentials) =>
    new Agent({
      ...shown,
      keepAlive: true,
      maxSockets: 8,
      servername: site,
      checkServerIdentity: (_host, certificate) => faultOfAgent(site, certificate),
    });
  let agent = connections(credentials);
  const where = url.startsWith('unix:')
    ? { socketPath: url.slice('unix:'.length), host: site }
    : { host: new URL(url).hostname, port: Number(new URL(url).port || 443) };
  let clock = { aheadMs: 0, roundTripMs: Number.POSITIVE_INFINITY };
  const invalid = (why: string, cause?: unknown) =>
    new TagalongError(
      'AGENT_ANSWER_INVALID',
      `${site}: the answer from ${url} is not that of an agent of this version: ${why}; check the address and the version`,
      {
        cause,
      },
    );

  const ask = async <T>(check: Check<T>, limits: AnswerLimits, path: string, body?: object): Promise<T> => {
    const sentAtMs = Date.now();
    const { status, text } = await exchange(limits, path, body);
    let answer: unknown;
    try {
      answer = JSON.parse(text);
    } catch (cause) {
      throw invalid('the answer is not JSON', cause);
    }
    if (status >= 400) {
      if (!checks.refusal.Check(answer)) throw invalid(`it has status ${status} and no reason`);
      const { code, message } = answer.error;
      throw new RefusedOrder(CODE.test(code) ? code : 'INTERNAL', `${site}: ${foreignText(message)}`);
    }
    if (!check.Check(answer)) throw invalid(faultOf(check, answer));
    const roundTripMs = Date.now() - sentAtMs;
    // As in NTP (RFC 5905): the shortest round trip has the smallest error.
    if (body === undefined && hasTime(answer) && roundTripMs <= clock.roundTripMs) {
      clock = { aheadMs: answer.atMs - (sentAtMs + roundTripMs / 2), roundTripMs };
    }
    return answer;
  };

  const exchange = async ({ mostBytes, withinMs }: AnswerLimits, path: string, body?: object): Promise<Answer> => {
    const signal = AbortSignal.timeout(withinMs);
    try {
      const headers = body ? { 'content-type': 'application/json' } : {};
      const method = body ? 'POST' : 'GET';
      const response = await send({ ...where, agent, method, path, headers, signal }, body && JSON.stringify(body));
      return { status: response.statusCode!, text: await readBounded(response, mostBytes) };
    } catch (cause) {
      if (cause instanceof TagalongError) throw invalid(cause.message, cause);
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code?.startsWith('HPE_')) throw invalid(`it is not HTTP (${code})`, cause);
      const why = signal.aborted ? `no answer within ${withinMs} ms` : (code ?? message);
      throw new TagalongError(
        'AGENT_UNREACHABLE',
        `${site}: the agent at ${url} does not answer (${why}); check that it runs and can be reached`,
        { cause },
      );
    }
  };

  const aboutVm = async (vm: string, limits: AnswerLimits, more: string, body?: object) => {
    const answer = await ask(checks.order, limits, `/v1/vms/${encodeURIComponent(vm)}${more}`, body);
    const { instance, landing } = answer;
    if (instance !== undefined && instance.vm !== vm) throw invalid(`asked about ${vm}, it tells of ${instance.vm}`);
    if (landing !== undefined) refuseOtherAddresses(site, landing.endpoints, uplinks());
    return instance === undefined ? answer : { ...answer, instance: cleaned(instance) };
  };
  return {
    site,
    async status() {
      const status = await ask(checks.status, LIMITS.status, '/v1/status');
      if (status.site !== site) throw invalid(`it is the agent of ${status.site}`);
      refuseOtherAddresses(site, status.endpoints, uplinks());
      return { ...status, instances: status.instances.map(cleaned) };
    },
    instance: (vm) => aboutVm(vm, LIMITS.question, ''),
    order: (vm, name, body) => aboutVm(vm, LIMITS.order, `/${name}`, body),
    async guest(vm, words) {
      const path = `/v1/vms/${encodeURIComponent(vm)}/guest`;
      return (await ask(checks.guest, LIMITS.order, path, { words })).answer;
    },
    get clockAheadMs() {
      return clock.aheadMs;
    },
    renew(renewed) {
      const former = agent;
      agent = connections(renewed);
      // Connections in use are closed when their request has ended.
      former.maxFreeSockets = 0;
      for (const socket of Object.values(former.freeSockets).flat()) socket?.destroy();
    },
    close: () => agent.destroy(),
  };
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
