import type { Phase } from '../events/index.ts';
import type { Move } from '../hypervisor/hypervisor.ts';
import type { Migration, MigrationState } from './context.ts';
import type { OutgoingEvent } from './to-event.ts';

/** The output of the migrator's core since the last `drain`. */
export interface MigrationsOutput {
  /** Records to write. */
  readonly records: readonly MigrationEntry[];
  /** Events to publish, in order. Events of a migration that was never accepted may come without a record. */
  readonly events: readonly OutgoingEvent[];
  /** Orders for the hypervisor, in order, once the records are written. */
  readonly orders: readonly Order[];
}

/** An order for the hypervisor, to be given once the entry is stored. */
export type Order =
  | { readonly kind: 'begin'; readonly step: Phase; readonly move: Move }
  | { readonly kind: 'abort' | 'inspect'; readonly move: Move };

/** A VM's entry in the core: its migration under way, or its last one. `wakeAtMs` is the deadline in the agenda. */
export interface MigrationEntry {
  readonly vm: string;
  state: MigrationState;
  migration: Migration;
  wakeAtMs: number;
  changed: boolean;
}

/** The part of an entry that is stored. */
export type KeptRecord = Pick<Readonly<MigrationEntry>, 'state' | 'migration'>;
