/** The clock, bus, store and machines of a service process that follows a conductor. Its time stands still until the conductor sets it. */
import type { Followed } from '#services/process/modules.ts';
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import { virtualClock } from '#shared/clock/virtual.ts';
import type { Machines } from '#shared/hypervisor/hosts.ts';
import type { Store } from '#shared/store/store.ts';
import { allIdle } from '#shared/time/in-flight.ts';
import { clockUnreachable, connectToClock } from './clock-address.ts';
import { connection } from './connection.ts';
import type { FromConductor, FromFollower } from './messages.ts';
import { RemoteMachines } from './remote-machines.ts';
import { RequestsInFlight, tappedBus, tappedStore } from './tap.ts';

/** The clock, the taps and the machines of a service process in lockstep. */
export interface Follower {
  readonly clock: Clock;
  /** Wraps the bus, so that the conductor knows which events are outstanding. */
  tapBus(bus: Bus): Bus;
  /** Wraps the store, so that the process is not idle during a request. */
  tapStore(store: Store): Store;
  /** The machines. The conductor simulates them, so that they outlive this process. */
  readonly machines: Machines;
  /** Tells the conductor that the service has started and answers requests at `url`. */
  started(service: Followed, url: string): void;
  /** Aborted when the connection to the conductor has ended. */
  readonly conductorGone: AbortSignal;
}

/**
 * Connects to the conductor. Resolves when the clock shows the conductor's time.
 * @throws TagalongError USAGE if the address is invalid or not on this host; SERVER_UNREACHABLE if the conductor does not answer, or
 *   does not expect this process
 */
export async function follow(address: string): Promise<Follower> {
  const { socket, name, token } = await connectToClock(address);
  const clock = virtualClock();
  const inFlight = new RequestsInFlight();
  const machines = new RemoteMachines((message) => conductor.send(message), inFlight);
  const conductorGone = new AbortController();
  const begun = Promise.withResolvers<void>();
  let service: Followed | undefined;

  const answerWhenIdle = async (n: number) => {
    await allIdle(service ? [service, inFlight] : [inFlight]);
    conductor.send({ kind: 'idle', n, nextMs: clock.nextMs() ?? null, held: service?.held() ?? [] });
  };
  const receive = (message: FromConductor) => {
    switch (message.kind) {
      case 'begin':
        clock.set(message.nowMs);
        begun.resolve();
        break;
      case 'time':
        clock.set(message.nowMs);
        if (message.step) clock.step(message.nowMs);
        void answerWhenIdle(message.n);
        break;
      case 'report':
        machines.report(message.report);
        break;
      case 'answer':
        machines.answered(message.n, message);
    }
  };
  const conductor = connection<FromConductor, FromFollower>(socket, receive);
  void conductor.closed.then(() => {
    conductorGone.abort();
    machines.end();
  });
  conductor.send({ kind: 'hello', name, token });
  await Promise.race([begun.promise, conductor.closed]);
  if (conductorGone.signal.aborted) throw clockUnreachable('the clock does not expect this process');
  return {
    clock,
    tapBus: (bus) => tappedBus(bus, conductor, inFlight),
    tapStore: (store) => tappedStore(store, inFlight),
    machines,
    started(followed, url) {
      service = followed;
      conductor.send({ kind: 'started', url });
    },
    conductorGone: conductorGone.signal,
  };
}
