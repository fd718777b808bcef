/** The clock, bus, store and machines of a service process that follows a conductor. Its time stands still until the conductor sets it. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Followed } from '#services/process/modules.ts';
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import { virtualClock } from '#shared/clock/virtual.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Machines } from '#shared/hypervisor/hosts.ts';
import type { Report } from '#shared/hypervisor/hypervisor.ts';
import type { Store } from '#shared/store/store.ts';
import { allIdle } from '#shared/time/in-flight.ts';
import { connection } from './connection.ts';
import type { Answer, FromConductor, FromFollower, Question } from './messages.ts';
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

/** The environment variable with the address of the conductor, and the name and token of this process: `tcp://NAME:TOKEN@127.0.0.1:PORT`. */
export const CLOCK_VARIABLE = 'TAGALONG_CLOCK';
const LOOPBACK = ['127.0.0.1', '[::1]', 'localhost'];

/**
 * Connects to the conductor. Resolves when the clock shows the conductor's time.
 * @throws TagalongError USAGE if the address is invalid or not on this host; SERVER_UNREACHABLE if the conductor does not answer, or
 *   does not expect this process
 */
export async function follow(address: string): Promise<Follower> {
  const url = URL.parse(address);
  if (url?.protocol !== 'tcp:' || !LOOPBACK.includes(url.hostname) || url.port === '' || url.username === '') {
    const right = 'give tcp://NAME:TOKEN@127.0.0.1:PORT, as "tagalong replay --processes" does';
    throw new TagalongError('USAGE', `${CLOCK_VARIABLE}: is not the address of a clock on this host; ${right}`);
  }
  const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) });
  await once(socket, 'connect').catch((cause) => {
    throw new TagalongError(
      'SERVER_UNREACHABLE',
      `${CLOCK_VARIABLE}: no clock answers at port ${url.port}; start replay --processes again`,
      { cause },
    );
  });
  const clock = virtualClock();
  const inFlight = new RequestsInFlight();
  const conductorGone = new AbortController();
  const begun = Promise.withResolvers<void>();
  const answers = new Map<number, (answer: Answer) => void>();
  let listenToReports: (report: Report) => void = () => {};
  let service: Followed | undefined;
  let asked = 0;

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
        listenToReports(message.report);
        break;
      case 'answer':
        answers.get(message.n)?.(message);
        answers.delete(message.n);
    }
  };
  const conductor = connection<FromConductor, FromFollower>(socket, receive);
  void conductor.closed.then(() => {
    conductorGone.abort();
    // Callers must not wait for an answer that never arrives.
    for (const resolve of answers.values()) resolve({});
  });
  conductor.send({ kind: 'hello', name: decodeURIComponent(url.username), token: url.password });
  await Promise.race([begun.promise, conductor.closed]);
  if (conductorGone.signal.aborted)
    throw new TagalongError(
      'SERVER_UNREACHABLE',
      `${CLOCK_VARIABLE}: the clock does not expect this process; start replay --processes again`,
    );

  const ask = (question: Question) =>
    inFlight.during(
      () =>
        new Promise<unknown>((resolve, reject) => {
          if (conductorGone.signal.aborted) return resolve(undefined);
          answers.set(++asked, ({ value, fault }) => {
            if (fault === undefined) resolve(value);
            else reject(new TagalongError(fault.code, fault.message));
          });
          conductor.send({ kind: 'ask', n: asked, question });
        }),
    );
  return {
    clock,
    tapBus: (bus) => tappedBus(bus, conductor, inFlight),
    tapStore: (store) => tappedStore(store, inFlight),
    machines: {
      hypervisor: {
        listen(listener) {
          listenToReports = listener;
        },
        begin: (step, move) => conductor.send({ kind: 'order', order: { kind: 'begin', step, move } }),
        abort: (move) => conductor.send({ kind: 'order', order: { kind: 'abort', move } }),
        inspect: (move) => conductor.send({ kind: 'order', order: { kind: 'inspect', move } }),
      },
      hosts: {
        vmsAt: async (site) => ((await ask({ what: 'vmsAt', site })) as string[] | null) ?? undefined,
        startVm: async (vm, site, spec) => void (await ask({ what: 'startVm', vm, site, spec })),
        remove: async (vm) => void (await ask({ what: 'remove', vm })),
        // The conductor's machines have exactly the sites of the configuration.
        declare() {},
        withdraw() {},
      },
      setLeader: async (isLeader) => void (await ask({ what: 'setLeader', isLeader })),
      close() {},
    },
    started(followed, url) {
      service = followed;
      conductor.send({ kind: 'started', url });
    },
    conductorGone: conductorGone.signal,
  };
}
