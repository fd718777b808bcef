/** Which records a process has set aside: each stands alone, and everything else goes on. */

import type { Clock } from '../clock/clock.ts';
import type { TagalongError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { RecordKind } from './records.ts';

/** A record that is set aside, as `status` shows it. */
export interface SetAsideRecord {
  readonly key: string;
  readonly kind: string;
  /** STORE_RECORD_UNREADABLE: it cannot be read. Any other: what was to be written instead of it was refused. */
  readonly code: string;
  readonly reason: string;
  readonly sinceMs: number;
}

/** What is set aside, each once, in the order in which it was. */
export class SetAside {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #records = new Map<string, SetAsideRecord>();

  constructor({ log, clock }: { readonly log: Log; readonly clock: Clock }) {
    this.#log = log;
    this.#clock = clock;
  }

  /** Sets a record aside, and says so once. */
  add(
    { kind, personal }: Pick<RecordKind, 'kind' | 'personal'>,
    key: string,
    { code, message: reason }: TagalongError,
  ): void {
    const known = this.#records.get(key);
    if (known?.code === code) return;
    this.#records.set(key, { key, kind, code, reason, sinceMs: Math.round(this.#clock.now()) });
    this.#log.error({ kind, ...(!personal && { key }), code, reason }, 'a record was set aside');
  }

  /** A record is as it should be. */
  release(key: string): void {
    this.#records.delete(key);
  }

  get(key: string): SetAsideRecord | undefined {
    return this.#records.get(key);
  }

  get size(): number {
    return this.#records.size;
  }

  /** Of all kinds, or of some. */
  list(kinds?: readonly string[]): SetAsideRecord[] {
    const all = [...this.#records.values()];
    return kinds === undefined ? all : all.filter(({ kind }) => kinds.includes(kind));
  }
}
