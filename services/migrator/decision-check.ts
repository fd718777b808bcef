/**
 * Checks decisions before the migrator carries them out. Each client of the bus can make a decision up. Placement's record of the VM
 * proves or disproves it (`../runtime/decision-proof.ts`).
 */
import type { Delivery } from '#shared/bus/bus.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Data, Event } from '#shared/events/index.ts';
import type { Log } from '#shared/log.ts';
import { repeatedFault } from '#shared/log-repeats.ts';
import type { Migrations } from '#shared/migration/migrations.ts';
import type { Store } from '#shared/store/store.ts';
import { judgeDecision, OVERTAKEN, readOrder } from '../runtime/decision-proof.ts';

type Decided = Data<'placement.decided.v1'>;

/** The check of one migrator. */
export interface DecisionCheck {
  /** Decisions that were refused since the start, because placement did not make them. */
  readonly refused: number;
  /**
   * The deliveries that the core may apply. Only decisions that would start or cancel a move are looked up.
   * @throws TagalongError STORE_UNREACHABLE: nothing is known, and the bus delivers the batch again
   */
  admit(batch: readonly Delivery[], core: Migrations): readonly Delivery[] | Promise<readonly Delivery[]>;
}

/** Makes the check. @param partitions of the bus */
export function decisionCheck({
  store,
  log,
  partitions,
}: {
  readonly store: Store;
  readonly log: Log;
  readonly partitions: number;
}): DecisionCheck {
  const trouble = repeatedFault(log, 'decisions are ignored', 'warn');
  let refused = 0;

  const isMade = async (decided: Decided): Promise<boolean> => {
    const { vm, decision, verdict, from, to } = decided;
    const judgement = judgeDecision(decided, await readOrder(store, vm, partitions));
    if (judgement === undefined) return true;
    if (judgement === OVERTAKEN) {
      log.info({ vm, decision, verdict, from, to }, 'a decision is ignored: placement has ended this move since');
      return false;
    }
    refused++;
    const next = 'find out who else may publish on this bus (SECURITY.md)';
    trouble.failed(new TagalongError('EVENT_INVALID', `${decision}, ${verdict} to ${to}: ${judgement}; ${next}`), {
      vm,
    });
    return false;
  };

  return {
    get refused() {
      return refused;
    },
    admit(batch, core) {
      if (!batch.some(({ event }) => isOrder(event, core))) return batch;
      const made = batch.map(({ event }) => !isOrder(event, core) || isMade(event.data));
      return Promise.all(made).then((admitted) => batch.filter((_, i) => admitted[i]));
    },
  };
}

/** True for a decision that may change what the core does: repeats and other verdicts change nothing. */
function isOrder(event: Event, core: Migrations): event is Extract<Event, { type: 'placement.decided.v1' }> {
  if (event.type !== 'placement.decided.v1') return false;
  const { verdict, vm, seq } = event.data;
  return verdict === 'cancel' || (verdict === 'move' && seq > core.seqOf(vm));
}
