/**
 * The kernel's figures of the connections that carry a move: bytes by path, subflows, and whether it is multipath TCP at all (RFC
 * 8684; read with `ss` of iproute2).
 */
import type { Endpoint, SubflowStats } from '#shared/hypervisor/qemu/protocol.ts';
import { run } from './process.ts';

/** A smaller number of subflows counts once it has lasted this long: subflows join and close one after the other. */
const LASTING_MS = 1000;
/** `ss` is run at most this often. */
const INTERVAL_MS = 200;

/** Counts what the subflows to some ports carry. The stats are `carriage` on the wire and in records. */
export class SubflowWatch {
  readonly #ports: number[];
  readonly #endpoints: readonly Endpoint[];
  /** Bytes of each subflow by its two ends. A closed subflow keeps its bytes. */
  readonly #bytes = new Map<string, { readonly provider: string; bytes: number }>();
  #subflows = 0;
  /** Since when there are fewer. */
  #fewerSinceMs: number | undefined;
  #plainTcp = false;
  #upSinceMs: number | undefined;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(ports: readonly number[], endpoints: readonly Endpoint[]) {
    this.#ports = [...ports];
    this.#endpoints = endpoints;
  }

  /** Counts the connections to one more port. */
  follow(port: number): void {
    this.#ports.push(port);
  }

  /** Reads the kernel's figures, five times a second at most. */
  async look(nowMs = performance.now()): Promise<void> {
    if (nowMs - this.#lookedAtMs < INTERVAL_MS) return;
    this.#lookedAtMs = nowMs;
    const filter = this.#ports.map((port) => `dport = :${port}`).join(' or ');
    const established = ['state', 'established', `( ${filter} )`];
    const [tcp, mptcp] = await Promise.all([
      run('ss', ['-tniHO', ...established]),
      run('ss', ['-MniHO', ...established]),
    ]);
    this.take(tcp.stdout, nowMs, mptcp.stdout);
  }

  /**
   * Adds what `ss` printed.
   * @param text of the TCP sockets (`ss -tniHO`)
   * @param mptcp of the MPTCP sockets (`ss -MniHO`): only these say that a connection has fallen back to TCP
   */
  take(text: string, nowMs: number, mptcp = ''): void {
    if (/\bfallback\b/.test(mptcp)) this.#plainTcp = true;
    const providers = new Set<string>();
    for (const line of text.split('\n')) {
      if (line.trim() === '') continue;
      const [, , near, far] = line.trim().split(/\s+/);
      const address = near!.slice(0, near!.lastIndexOf(':')).replace(/^\[?(::ffff:)?|\]$/g, '');
      const provider = this.#endpoints.find((endpoint) => endpoint.address === address)?.provider ?? 'other';
      const bytes = Number(/\bbytes_acked:(\d+)/.exec(line)?.[1] ?? 0);
      this.#bytes.set(`${near}>${far}`, { provider, bytes });
      providers.add(provider);
      if (!line.includes('tcp-ulp-mptcp')) this.#plainTcp = true;
    }
    if (providers.size === 0) return;
    this.#upSinceMs ??= nowMs;
    this.#count(providers.size, nowMs);
  }

  #count(subflows: number, nowMs: number): void {
    const joined = nowMs - this.#upSinceMs! >= LASTING_MS;
    if (subflows >= this.#subflows) {
      if (!joined) this.#subflows = subflows;
      this.#fewerSinceMs = undefined;
      return;
    }
    this.#fewerSinceMs ??= nowMs;
    if (nowMs - this.#fewerSinceMs >= LASTING_MS) this.#subflows = subflows;
  }

  /** Bytes by provider, and the fewest subflows that lasted for a second. */
  get stats(): SubflowStats {
    const bytesByProvider: Record<string, number> = {};
    for (const { provider, bytes } of this.#bytes.values()) {
      bytesByProvider[provider] = (bytesByProvider[provider] ?? 0) + bytes;
    }
    return { bytesByProvider, subflows: this.#subflows, plainTcp: this.#plainTcp };
  }
}
