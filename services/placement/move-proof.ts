/**
 * Holds the events of a move under way against the migrator's record of it. The migrator writes each state into that record before it
 * publishes it. So an end that the record does not have was made up by another client of the bus. These events are rare, and only they
 * are looked up.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Delivery } from '#shared/bus/bus.ts';
import { TagalongError } from '#shared/errors.ts';
import { type Event, TERMINAL_TYPES } from '#shared/events/index.ts';
import type { Log } from '#shared/log.ts';
import { repeatedFault } from '#shared/log-repeats.ts';
import { type KeptMigration, MIGRATION_RECORD } from '#shared/migration/kept.ts';
import { seqOfDecision } from '#shared/migration/migration.ts';
import { endOf } from '#shared/migration/outcome.ts';
import type { MigrationFact } from '#shared/policy/decide/migration-facts.ts';
import type { Placement } from '#shared/policy/placement.ts';
import type { Store } from '#shared/store/store.ts';
import { MIGRATION_PREFIX } from '../migrator/steps.ts';
import { readWritten } from '../runtime/written-record.ts';

const TYPES: ReadonlySet<string> = new Set(['migration.accepted.v1', 'migration.switched.v1', ...TERMINAL_TYPES]);
/** The migrator writes the record of a decision within this time. A decision that it refuses for the VM's broken record has none. */
const RECORDED_WITHIN_MS = 1_000;
/** The migrator has no record of the move yet, or refused to make one. */
const UNRECORDED = 'the migrator has no record of this move';

/** The migrator's record of a VM, with the events that were written with it. */
interface Kept extends KeptMigration {
  readonly outbox: readonly unknown[];
}

/** The dependencies of the proof. */
export interface MoveProofOptions {
  readonly store: Store;
  readonly log: Log;
}

/** The proof of the events of one placement. */
export class MoveProof {
  readonly #store: Store;
  readonly #trouble;

  constructor({ store, log }: MoveProofOptions) {
    this.#store = store;
    this.#trouble = repeatedFault(log, 'events of migrations are ignored', 'warn');
  }

  /**
   * The deliveries of a batch that the core may apply. Those that were made up are counted in `neverOrdered` of the core.
   * @throws TagalongError STORE_UNREACHABLE: nothing is known, and the bus delivers the batch again
   */
  admit(batch: readonly Delivery[], core: Placement): readonly Delivery[] | Promise<readonly Delivery[]> {
    if (!batch.some(({ event }) => isOfMoveUnderWay(event, core))) return batch;
    const proven = batch.map(({ event }) => !isOfMoveUnderWay(event, core) || this.#isTrue(event, core));
    return Promise.all(proven).then((admitted) => batch.filter((_, i) => admitted[i]));
  }

  async #isTrue(fact: MigrationFact, core: Placement): Promise<boolean> {
    const { vm, migration, from, to } = fact.data;
    let why = judgeMove(fact, await this.#read(vm));
    if (why === UNRECORDED && fact.type === 'migration.failed.v1' && fact.data.runsAt === from) {
      // The migrator refuses a decision on a VM whose record it cannot read or write, and so makes no record.
      await pause(RECORDED_WITHIN_MS);
      why = judgeMove(fact, await this.#read(vm));
      if (why === UNRECORDED) return true;
    }
    if (why === undefined) return true;
    core.neverOrdered++;
    const next = 'find out who else may publish on this bus (SECURITY.md)';
    const what = `${fact.type} of ${migration}, from ${from} to ${to}: ${why}; ${next}`;
    this.#trouble.failed(new TagalongError('EVENT_INVALID', what), { vm });
    return false;
  }

  async #read(vm: string): Promise<Kept | 'unreadable' | undefined> {
    const written = await readWritten(this.#store, MIGRATION_PREFIX + vm, MIGRATION_RECORD);
    return typeof written === 'object' ? { ...written.value, outbox: written.outbox } : written;
  }
}

/**
 * Compares an event of a move with the migrator's record of its VM.
 * @param kept undefined: the migrator has none; `unreadable`: this program cannot read it, so it proves nothing
 * @returns undefined: nothing is against it; or why the migrator cannot have published it
 */
export function judgeMove(fact: MigrationFact, kept: Kept | 'unreadable' | undefined): string | undefined {
  if (kept === 'unreadable') return undefined;
  const { vm, migration } = fact.data;
  const seq = seqOfDecision(vm, migration);
  if (kept === undefined || seq === undefined || kept.migration.seq < seq) return UNRECORDED;
  const { id, from, to, runsAt, switched } = kept.migration;
  if (id !== migration) {
    // It was refused because of the move in the record, or called off before it came.
    const isRefusal = fact.type === 'migration.cancelled.v1' || fact.type === 'migration.failed.v1';
    return isRefusal && [from, to].includes(endOf(fact).runsAt) ? undefined : 'the migrator has refused this move';
  }
  const written = kept.outbox.find((entry) => isFactOf(entry, fact));
  if (written !== undefined && JSON.stringify(written.data) !== JSON.stringify(fact.data)) {
    return 'the migrator has published other figures';
  }
  if (fact.type === 'migration.accepted.v1') return undefined;
  if (fact.type === 'migration.switched.v1') return switched ? undefined : 'the VM has not switched over';
  const { outcome, runsAt: saidToRunAt } = endOf(fact);
  if (outcome !== kept.state) return `its state is ${kept.state}`;
  return outcome !== 'failed' || saidToRunAt === runsAt ? undefined : `the VM runs at ${runsAt}`;
}

function isFactOf(entry: unknown, fact: MigrationFact): entry is MigrationFact {
  const { type, data } = (entry ?? {}) as Partial<MigrationFact>;
  return type === fact.type && data?.migration === fact.data.migration;
}

/** True for an event of a move that this core has ordered, and whose end it waits for. The core ignores all others. */
function isOfMoveUnderWay(event: Event, core: Placement): event is Event & MigrationFact {
  if (!TYPES.has(event.type)) return false;
  const { vm, migration } = event.data as MigrationFact['data'];
  return core.vms.get(vm)?.context.move?.decision === migration;
}
