/** Records that a process has set aside: it leaves each of them alone and goes on with all others. */

import type { Clock } from '../clock/clock.ts';
import type { TagalongError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { RecordKind } from './records.ts';

/** A record that is set aside, as `status` shows it. */
export interface SetAsideRecord {
  readonly key: string;
  readonly kind: string;
  /** STORE_RECORD_UNREADABLE where it cannot be read; another code where its next value was refused. */
  readonly code: string;
  readonly reason: string;
  readonly sinceMs: number;
}

/** The records that are set aside, each once, in the order in which that happened. */
export class SetAside {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #records = new Map<string, SetAsideRecord>();

  constructor({ log, clock }: { readonly log: Log; readonly clock: Clock }) {
    this.#log = log;
    this.#clock = clock;
  }

  /** Sets a record aside, and logs it once. */
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

  /** The record is in order again. */
  release(key: string): void {
    this.#records.delete(key);
  }

  /** Why a record is set aside; undefined where it is not. */
  get(key: string): SetAsideRecord | undefined {
    return this.#records.get(key);
  }

  /** How many records are set aside. */
  get size(): number {
    return this.#records.size;
  }

  /** The records of some kinds; of all, where none is named. */
  list(kinds?: readonly string[]): SetAsideRecord[] {
    const all = [...this.#records.values()];
    return kinds === undefined ? all : all.filter(({ kind }) => kinds.includes(kind));
  }
}
