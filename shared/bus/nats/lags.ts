import type { Lag } from '../bus.ts';
import type { Link } from './connection.ts';
import { type Names, ownerOf } from './names.ts';
import type { View } from './view.ts';

const LOOK_MS = 1_000;
/** A durable consumer that no place has named for so long is one that somebody died over: it is removed. */
const ORPHAN_MS = 60_000;

/** How much waits for each group on each partition, also for those of other processes. Looked up once a second. */
export class Lags {
  readonly #link: Link;
  readonly #view: View;
  readonly #names: Names;
  readonly #timer: NodeJS.Timeout;
  #lags: readonly Lag[] = [];
  #looking = false;
  /** Since when consumers have had no place that names them. */
  readonly #orphans = new Map<string, number>();

  constructor(link: Link, view: View, names: Names) {
    this.#link = link;
    this.#view = view;
    this.#names = names;
    this.#timer = setInterval(() => void this.#look(), LOOK_MS);
    this.#timer.unref();
    void this.#look();
  }

  /** As of the last look. */
  get all(): Lag[] {
    return [...this.#lags];
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#looking || !this.#link.connected) return;
    this.#looking = true;
    try {
      this.#lags = await this.#read();
    } catch {
      // No answer: what was known is as good as anything.
    }
    this.#looking = false;
  }

  #orphanedMs(consumer: string): number {
    const sinceMs = this.#orphans.get(consumer) ?? performance.now();
    this.#orphans.set(consumer, sinceMs);
    return performance.now() - sinceMs;
  }

  async #read(): Promise<Lag[]> {
    const lags: Lag[] = [];
    for await (const info of this.#link.jsm.consumers.list(this.#names.events)) {
      // The older servers list as null what is just being deleted.
      const owner = ownerOf(info?.name ?? '');
      if (owner === undefined) continue;
      const named = this.#view.placed(owner.group, owner.partition)?.place.consumer;
      const durable = info.config.durable_name !== undefined;
      if (!durable || named === info.name) lags.push({ ...owner, events: info.num_pending + info.num_ack_pending });
      else if (this.#orphanedMs(info.name) > ORPHAN_MS) {
        this.#orphans.delete(info.name);
        await this.#link.jsm.consumers.delete(this.#names.events, info.name);
      }
    }
    return lags;
  }
}
