/**
 * One process that a test can kill. The process gets its bus, store, clock and hypervisor through this class. After a kill each
 * operation fails, and no message reaches the process.
 */
import type { Bus, Subscription } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Hypervisor } from '#shared/hypervisor/hypervisor.ts';
import type { Store } from '#shared/store/store.ts';

class Death extends Error {}

export class Life {
  dead = false;
  awayMs = 0;
  #operationsLeft = Number.POSITIVE_INFINITY;
  #after = false;
  readonly #subscriptions: Subscription[] = [];

  static isDeath(error: unknown): boolean {
    return error instanceof Death;
  }

  arm(operations: number, after: boolean, awayMs: number): void {
    this.#operationsLeft = operations;
    this.#after = after;
    this.awayMs = awayMs;
  }

  disarm(): void {
    this.#operationsLeft = Number.POSITIVE_INFINITY;
  }

  /** Kills the process: it has no further effect, and other members get its unfinished batches. */
  end(): void {
    this.dead = true;
    for (const subscription of this.#subscriptions.splice(0)) void subscription.stop();
  }

  bus(bus: Bus): Bus {
    return {
      publish: (events) => this.#operate(() => bus.publish(events)),
      subscribe: async (options, handler) => {
        this.#live();
        const subscription = await bus.subscribe(options, async (batch) => {
          this.#live();
          await handler(batch);
          this.#live();
        });
        this.#subscriptions.push(subscription);
        // A kill may happen during the subscription.
        if (this.dead) this.end();
        this.#live();
        return subscription;
      },
      audited: (query) => this.#operate(() => bus.audited(query)),
      lag: () => {
        this.#live();
        return bus.lag();
      },
      connected: () => bus.connected(),
      maxEventBytes: bus.maxEventBytes,
      close: () => bus.close(),
    };
  }

  store(store: Store): Store {
    return {
      get: (key) => this.#operate(() => store.get(key)),
      list: (prefix) => this.#operate(() => store.list(prefix)),
      put: (writes) => this.#operate(() => store.put(writes)),
      connected: () => store.connected(),
      maxRecordBytes: store.maxRecordBytes,
      close: () => store.close(),
    };
  }

  clock(clock: Clock): Clock {
    return { now: () => clock.now(), at: (timeMs, callback) => clock.at(timeMs, () => !this.dead && callback()) };
  }

  hypervisor(hypervisor: Hypervisor): Hypervisor {
    return {
      listen: (listener) => hypervisor.listen((report) => !this.dead && listener(report)),
      begin: (step, move) => this.#order(() => hypervisor.begin(step, move)),
      abort: (move) => this.#order(() => hypervisor.abort(move)),
      inspect: (move) => this.#order(() => hypervisor.inspect(move)),
    };
  }

  async #operate<T>(operation: () => Promise<T>): Promise<T> {
    this.#live();
    if (--this.#operationsLeft > 0) return operation();
    // The operation takes effect, but the process gets no answer.
    if (this.#after) await operation();
    this.end();
    throw new Death();
  }

  #order(order: () => void): void {
    this.#live();
    this.#operationsLeft--;
    if (this.#operationsLeft > 0 || this.#after) order();
    if (this.#operationsLeft > 0) return;
    this.end();
    throw new Death();
  }

  #live(): void {
    if (this.dead) throw new Death();
  }
}
