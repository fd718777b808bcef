/** Fake agents of sites: they speak the protocol of the agents over TLS, without QEMU. A test can make any of them lie. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readCredentials } from '#services/sites/hosts/credentials.ts';

const SCRIPT = new URL('../../deploy/certificates.sh', import.meta.url).pathname;

/** A request to an agent. @property what the name of an order, `instance` for one VM, or `status` for all */
export interface AgentRequest {
  readonly site: string;
  readonly what: string;
  readonly vm: string | undefined;
}

/** Answers instead of an honest agent. @param honest the honest answer */
export type Lie = (response: ServerResponse, honest: { status: number; body: unknown }, asked: AgentRequest) => void;

interface FakeVm {
  readonly vm: string;
  readonly machine: unknown;
  state: string;
  done: string[];
  migration?: string;
  role?: string;
  token?: string;
  arrivedBy?: string;
  copy?: object;
}

export class FakeSites {
  readonly names: readonly string[];
  /** Selects the lie for a request; undefined: the agent answers honestly. */
  lie: (asked: AgentRequest) => Lie | undefined = () => undefined;
  /** Sites with an unreachable agent. */
  readonly unreachable = new Set<string>();
  /** All requests in order. */
  readonly asked: AgentRequest[] = [];
  readonly #vms = new Map<string, Map<string, FakeVm>>();
  readonly #handedOver = new Set<string>();
  readonly #servers: Server[] = [];
  #folder = '';

  constructor(names: readonly string[]) {
    this.names = names;
    for (const site of names) this.#vms.set(site, new Map());
  }

  async open(): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), 'tagalong-fakes-'));
    await promisify(execFile)('sh', [SCRIPT, `${this.#folder}/tls`, 'control', ...this.names]);
    await Promise.all(
      this.names.map(async (site) => {
        const credentials = await readCredentials(this.tls(site));
        const server = createServer({ ...credentials, requestCert: true }, (request, response) => {
          void this.#serve(site, request, response);
        });
        this.#servers.push(server);
        await new Promise<void>((resolve) => server.listen(join(this.#folder, site), resolve));
      }),
    );
  }

  async close(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
    }
    await rm(this.#folder, { recursive: true });
  }

  /** The paths of the files of a certificate. */
  tls(name: string) {
    const file = (kind: string) => `${this.#folder}/tls/${kind}`;
    return { ca: file('ca.pem'), cert: file(`${name}.pem`), key: file(`${name}.key`) };
  }

  url(site: string): string {
    return `unix:${join(this.#folder, site)}`;
  }

  /** The sites where a VM runs. */
  runningSites(vm: string): string[] {
    return this.names.filter((site) => this.#vms.get(site)!.get(vm)?.state === 'running');
  }

  /** Starts a VM at a site without an order. */
  startUnordered(site: string, vm: string, machine: unknown): void {
    this.#vms.get(site)!.set(vm, { vm, machine, state: 'running', done: [] });
  }

  async #serve(site: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {});
    if (this.unreachable.has(site)) return void response.destroy();
    let text = '';
    for await (const piece of request) text += piece;
    const [, , kind, name, order] = request.url!.split('/');
    const vm = name && decodeURIComponent(name);
    const asked = { site, vm, what: kind === 'status' ? 'status' : (order ?? 'instance') };
    this.asked.push(asked);
    const honest = this.#answer(asked, text === '' ? {} : JSON.parse(text));
    const lie = this.lie(asked);
    if (lie) return lie(response, honest, asked);
    response.writeHead(honest.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(honest.body));
  }

  #answer({ site, vm, what }: AgentRequest, body: Record<string, never>): { status: number; body: unknown } {
    const here = this.#vms.get(site)!;
    const atMs = Date.now();
    const endpoints = ['north', 'south'].map((provider) => ({ provider, address: '192.0.2.7' }));
    if (what === 'status') {
      const instances = [...here.values()].map(shown);
      return { status: 200, body: { site, atMs, endpoints, answerPort: 4711, accel: 'tcg', instances } };
    }
    try {
      const more = what === 'instance' ? {} : this.#carryOut(here, vm!, what, body, endpoints);
      const instance = here.get(vm!);
      return { status: 200, body: { atMs, ...(instance && { instance: shown(instance) }), ...more } };
    } catch (error) {
      return { status: 409, body: { error: { code: (error as Error).message, message: `${what} of ${vm}` } } };
    }
  }

  #carryOut(here: Map<string, FakeVm>, vm: string, order: string, body: Record<string, never>, endpoints: object[]) {
    const { migration, token } = body as { migration?: string; token?: string };
    const instance = here.get(vm);
    const takingPart = () => {
      if (instance === undefined) throw new Error('NO_SUCH_VM');
      if (instance.migration !== migration) throw new Error('ORDER_REFUSED');
      return instance;
    };
    switch (order) {
      case 'start':
        if (instance && instance.state !== 'running') throw new Error('VM_ELSEWHERE');
        if (!instance) here.set(vm, { vm, machine: body.machine, state: 'running', done: [] });
        return {};
      case 'receive': {
        if (instance && !['receiving', 'handed-over'].includes(instance.state)) throw new Error('VM_ELSEWHERE');
        const made = `t${this.asked.length}`;
        const part = { migration: migration!, role: 'destination', token: made };
        here.set(vm, { vm, machine: body.machine, state: 'receiving', done: [], ...part });
        const ports = { answerPort: 4711, memoryPort: 4712, diskPort: 4713 };
        const landing = { token: made, endpoints, ...ports, lan: LAN, postCopy: false, compression: 'none' };
        return { landing };
      }
      case 'leave':
        if (instance?.state !== 'running') throw new Error('ORDER_REFUSED');
        Object.assign(instance, { migration, role: 'source', done: ['leave'] });
        return {};
      case 'announce':
      case 'mirror':
        takingPart().done.push(order === 'announce' ? 'announce' : 'disk');
        return {};
      case 'copy':
        takingPart().done.push('memory');
        takingPart().copy = { state: 'ready', sentBytes: 1e6, remainingBytes: 1e3, rounds: 2, rateBps: 1e8 };
        return {};
      case 'stop':
      case 'handOver':
        takingPart().state = 'handed-over';
        this.#handedOver.add(migration!);
        return {};
      case 'resume':
        if (!this.#handedOver.has(migration!)) throw new Error('NOT_RECEIVED');
        if (takingPart().token !== token) throw new Error('ORDER_REFUSED');
        Object.assign(takingPart(), { state: 'running', arrivedBy: migration });
        return {};
      case 'settle':
        if (instance?.migration === migration) instance!.migration = undefined!;
        return {};
      case 'release':
      case 'discard':
        if (instance?.migration !== migration) return {};
        if (instance!.state === 'running') throw new Error('PAST_CANCEL');
        here.delete(vm);
        return {};
      case 'abort':
        if (instance?.migration !== migration) return {};
        if (instance!.state === 'handed-over' && !body.voided) throw new Error('PAST_CANCEL');
        Object.assign(instance!, { state: 'running', migration: undefined, done: [], copy: undefined });
        return {};
      case 'remove':
        here.delete(vm);
        return {};
      default:
        return {};
    }
  }
}

const LAN = { address: '10.1.0.10', prefix: 24, gateway: '10.1.0.1' };

/** A VM in the form of the protocol. */
function shown(vm: FakeVm): object {
  return { ...vm, nic: 0, lan: LAN };
}
