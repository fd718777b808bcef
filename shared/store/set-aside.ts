/** The records that a process has set aside: it neither uses nor writes them, and continues with all others. */

import type { Clock } from '../clock/clock.ts';
import type { TagalongError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { RecordKind } from './records.ts';

/** A record that is set aside, as `status` shows it. */
export interface SetAsideRecord {
  readonly key: string;
  readonly kind: string;
  /** STORE_RECORD_UNREADABLE if the record cannot be read; another code if its next value was refused. */
  readonly code: string;
  readonly reason: string;
  readonly sinceMs: number;
}

/** The records that are set aside, each once, the earliest first. */
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

  /** The record can be used again. */
  release(key: string): void {
    this.#records.delete(key);
  }

  /** Why a record is set aside; undefined if it is not. */
  get(key: string): SetAsideRecord | undefined {
    return this.#records.get(key);
  }

  /** The number of records that are set aside. */
  get size(): number {
    return this.#records.size;
  }

  /** The records of these kinds; of all kinds by default. */
  list(kinds?: readonly string[]): SetAsideRecord[] {
    const all = [...this.#records.values()];
    return kinds === undefined ? all : all.filter(({ kind }) => kinds.includes(kind));
  }
}
