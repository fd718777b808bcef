/** Bus and store of a follower. They count requests in flight, and tell the conductor about events. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Bus } from '#shared/bus/bus.ts';
import type { Store } from '#shared/store/store.ts';
import { InFlight } from '#shared/time/in-flight.ts';
import type { Connection } from './connection.ts';
import type { FromFollower } from './messages.ts';

/** Counts requests to bus, store and conductor, and batches that are being handled. */
export class RequestsInFlight extends InFlight {
  /** Resolves when nothing is in flight, and the code that awaited the last request has run. */
  override async idle(): Promise<void> {
    do {
      await super.idle();
      await turn();
    } while (this.busy);
  }
}

/** A bus that tells the conductor which events are about to be published, and which ones have been handled. */
export function tappedBus(bus: Bus, conductor: Connection<FromFollower>, inFlight: RequestsInFlight): Bus {
  return {
    publish: (events) =>
      inFlight.during(async () => {
        const ids = events.map(({ id }) => id);
        conductor.send({
          kind: 'announced',
          events: events.map(({ id, type, partitionkey }) => ({ id, type, key: partitionkey })),
        });
        try {
          await bus.publish(events);
        } catch (error) {
          conductor.send({ kind: 'publish-failed', ids });
          throw error;
        }
        conductor.send({ kind: 'published', ids });
      }),
    async subscribe(options, handler) {
      const { group, types, latest: own = false } = options;
      const subscription = await bus.subscribe(options, (batch) =>
        inFlight.during(async () => {
          await handler(batch);
          // Before the bus receives the acknowledgement, so that the conductor knows of every event that the bus never redelivers.
          conductor.send({ kind: 'handled', group, ids: batch.map(({ event }) => event.id) });
        }),
      );
      conductor.send({ kind: 'subscribed', group, types, own });
      return subscription;
    },
    audited: (query) => bus.audited(query),
    lag: () => bus.lag(),
    connected: () => bus.connected(),
    get maxEventBytes() {
      return bus.maxEventBytes;
    },
    close: () => bus.close(),
  };
}

/** A store that counts its requests. */
export function tappedStore(store: Store, inFlight: RequestsInFlight): Store {
  return {
    get: (key) => inFlight.during(() => store.get(key)),
    list: (prefix) => inFlight.during(() => store.list(prefix)),
    put: (writes) => inFlight.during(() => store.put(writes)),
    connected: () => store.connected(),
    get maxRecordBytes() {
      return store.maxRecordBytes;
    },
    close: () => store.close(),
  };
}
