/** Stores the dead letters of the bus, so that operators can list and replay them. */
import type { Bus, Subscription } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Event } from '#shared/events/index.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { listRecords } from '#shared/store/update.ts';
import { DEAD_LETTER_RECORD, DEAD_LETTERS, forget } from './records.ts';

export interface DeadLetters {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** The interval at which expired letters are deleted: they hold users' positions. */
const CLEAN_MS = 3_600_000;

/** @param options.retentionMs how long a letter is stored after its event */
export function createDeadLetters(options: {
  readonly bus: Bus;
  readonly store: Store;
  readonly clock: Clock;
  readonly retentionMs: number;
  readonly setAside?: SetAside;
}): DeadLetters {
  const { bus, store, clock, retentionMs, setAside } = options;
  let subscription: Subscription | undefined;
  let cleanMs = Number.NEGATIVE_INFINITY;

  const keep = async (event: Event) => {
    if (event.type !== 'event.rejected.v1') return;
    await store
      .put([{ key: DEAD_LETTERS + event.id, value: DEAD_LETTER_RECORD.write(event.data), revision: 0 }])
      .catch((error) => {
        // The letter is stored already: the bus delivered it twice.
        if (!(error instanceof TagalongError) || error.code !== 'STORE_CONFLICT') throw error;
      });
  };
  const clean = async () => {
    if (clock.now() < cleanMs) return;
    cleanMs = clock.now() + CLEAN_MS;
    const letters = await listRecords(store, DEAD_LETTER_RECORD, DEAD_LETTERS, setAside);
    await forget(
      store,
      letters.filter(({ value }) => value.atMs < clock.now() - retentionMs),
    );
  };
  return {
    async start() {
      subscription = await bus.subscribe({ group: 'dead-letters', types: ['event.rejected.v1'] }, async (batch) => {
        for (const { event } of batch) await keep(event);
        await clean();
      });
    },
    async stop() {
      await subscription?.stop();
      subscription = undefined;
    },
  };
}
