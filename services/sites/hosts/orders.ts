/**
 * Orders to sites that may not answer. The caller waits at most two seconds for a site; then the orders to it continue in the
 * background. Orders that did not reach a site are repeated when it answers again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TagalongError } from '#shared/errors.ts';
import type { Log } from '#shared/log.ts';

/** The longest time that the caller waits for an order. */
const PATIENCE_MS = 2_000;

/** Gives the orders, one at a time for each VM and site. */
export class SiteOrders {
  readonly #log: Log;
  /** The last order by site and VM. */
  readonly #turns = new Map<string, Promise<void>>();
  /** Sites that exceeded this time and have not answered since. */
  readonly #slow = new Set<string>();
  /** Orders to repeat to silent sites, by site and VM; only the last one of each VM counts. */
  readonly #later = new Map<string, Map<string, { what: string; work: () => Promise<unknown> }>>();

  constructor(log: Log) {
    this.#log = log;
  }

  /**
   * Gives an order, and waits two seconds for it at most. Never throws: a failure is logged.
   * @param what the line of the log where it fails
   */
  async give(site: string, vm: string, what: string, work: () => Promise<unknown>): Promise<void> {
    this.#later.get(site)?.delete(vm);
    const key = `${site}/${vm}`;
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(() => this.#carryOut(site, vm, what, work));
    this.#turns.set(key, turn);
    void turn.then(() => {
      if (this.#turns.get(key) === turn) this.#turns.delete(key);
    });
    if (this.#slow.has(site)) return;
    const isLate = await Promise.race([turn.then(() => false), sleep(PATIENCE_MS, true, { ref: false })]);
    if (!isLate) return;
    this.#slow.add(site);
    void turn.then(() => this.#slow.delete(site));
  }

  /** Called when a site answers: repeats the orders that did not reach it. */
  answers(site: string): void {
    const later = this.#later.get(site);
    this.#later.delete(site);
    for (const [vm, { what, work }] of later ?? []) void this.give(site, vm, what, work);
  }

  /** Forgets the orders that wait to be repeated. */
  forget(): void {
    this.#later.clear();
  }

  async #carryOut(site: string, vm: string, what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (err) {
      if (!(err instanceof TagalongError) || err.code !== 'AGENT_UNREACHABLE') {
        return this.#log.error({ vm, site, err }, what);
      }
      this.#log.warn({ vm, site, err }, `${what}; it is tried again when the site answers`);
      const later = this.#later.get(site) ?? new Map();
      this.#later.set(site, later.set(vm, { what, work }));
    }
  }
}
