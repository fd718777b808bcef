/** Bus and store of a process that follows a conductor: they count requests, and tell the conductor of events. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Bus } from '#shared/bus/bus.ts';
import type { Store } from '#shared/store/store.ts';
import { InFlight } from '#shared/time/in-flight.ts';
import type { FromFollower, Wire } from './wire.ts';

/** Requests to bus, store and conductor, and batches that are being handled. */
export class InHand extends InFlight {
  /** Resolves when nothing is in hand, and the code that waited for the last of it has run. */
  override async idle(): Promise<void> {
    do {
      await super.idle();
      await turn();
    } while (this.busy);
  }
}

/** A bus that tells the conductor which events are about to be published, and which ones were handled. */
export function tappedBus(bus: Bus, wire: Wire<FromFollower>, inHand: InHand): Bus {
  return {
    publish: (events) =>
      inHand.during(async () => {
        const ids = events.map(({ id }) => id);
        wire.send({
          kind: 'says',
          events: events.map(({ id, type, partitionkey }) => ({ id, type, key: partitionkey })),
        });
        try {
          await bus.publish(events);
        } catch (error) {
          wire.send({ kind: 'unsaid', ids });
          throw error;
        }
        wire.send({ kind: 'said', ids });
      }),
    async subscribe(options, handler) {
      const { group, types, latest: own = false } = options;
      const subscription = await bus.subscribe(options, (batch) =>
        inHand.during(async () => {
          await handler(batch);
          // Before the bus knows: what it takes for handled, the conductor knows of.
          wire.send({ kind: 'handled', group, ids: batch.map(({ event }) => event.id) });
        }),
      );
      wire.send({ kind: 'joined', group, types, own });
      return subscription;
    },
    lag: () => bus.lag(),
    connected: () => bus.connected(),
    get maxEventBytes() {
      return bus.maxEventBytes;
    },
    close: () => bus.close(),
  };
}

/** A store whose requests count as in hand. */
export function tappedStore(store: Store, inHand: InHand): Store {
  return {
    get: (key) => inHand.during(() => store.get(key)),
    list: (prefix) => inHand.during(() => store.list(prefix)),
    put: (writes) => inHand.during(() => store.put(writes)),
    connected: () => store.connected(),
    get maxRecordBytes() {
      return store.maxRecordBytes;
    },
    close: () => store.close(),
  };
}
