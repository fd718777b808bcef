/**
 * Orders to sites that may not answer. A site that takes its time costs nobody else theirs: it is waited for shortly, and
 * then its orders go on by themselves. What it did not hear is said again when it answers.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TagalongError } from '#shared/errors.ts';
import type { Log } from '#shared/log.ts';

/** How long whoever gives an order waits for it. */
const PATIENCE_MS = 2_000;

export class SiteOrders {
  readonly #log: Log;
  /** One at a time for a VM, in the order given. */
  readonly #turns = new Map<string, Promise<void>>();
  /** Sites that have kept somebody waiting, until they answer. */
  readonly #slow = new Set<string>();
  /** What a silent site is to be told, by site and VM: the last order counts. */
  readonly #later = new Map<string, Map<string, { what: string; work: () => Promise<unknown> }>>();

  constructor(log: Log) {
    this.#log = log;
  }

  /**
   * Gives an order, and waits for it as long as is bearable. Whatever comes of it is logged, not thrown.
   * @param what is said of it where it fails
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

  /** A site answers: it is told what it has not heard. */
  answers(site: string): void {
    const later = this.#later.get(site);
    this.#later.delete(site);
    for (const [vm, { what, work }] of later ?? []) void this.give(site, vm, what, work);
  }

  /** Says no more. */
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
