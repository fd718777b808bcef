/** A service process on the clock of another one: its time stands still until the conductor tells the next time. */
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
import { InHand, tappedBus, tappedStore } from './tap.ts';
import { type Answer, type FromConductor, type FromFollower, type Question, wire } from './wire.ts';

/** The end of the connection that is in the service's process. */
export interface Follower {
  readonly clock: Clock;
  /** A bus whose traffic the conductor knows of. */
  tapBus(bus: Bus): Bus;
  tapStore(store: Store): Store;
  /** The machines, which the conductor simulates: they outlive this process. */
  readonly machines: Machines;
  /** The service takes part, and answers requests at `url`. */
  started(service: Followed, url: string): void;
  /** Aborted when the conductor is gone. */
  readonly left: AbortSignal;
}

/**
 * Environment variable with the address of the conductor, and this process's name and token: `tcp://NAME:TOKEN@127.0.0.1:PORT`.
 */
export const CLOCK_VARIABLE = 'TAGALONG_CLOCK';
const LOOPBACK = ['127.0.0.1', '[::1]', 'localhost'];

/**
 * Joins the conductor; the clock then shows the conductor's time.
 * @throws TagalongError USAGE where the address is none, or not on this host; SERVER_UNREACHABLE
 */
export async function follow(address: string): Promise<Follower> {
  const url = URL.parse(address);
  if (url?.protocol !== 'tcp:' || !LOOPBACK.includes(url.hostname) || url.port === '' || url.username === '') {
    const right = 'tcp://NAME:TOKEN@127.0.0.1:PORT would be right, as "tagalong replay --processes" gives it';
    throw new TagalongError('USAGE', `${CLOCK_VARIABLE}: not the address of a clock on this host; ${right}`);
  }
  const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) });
  await once(socket, 'connect').catch((cause) => {
    throw new TagalongError(
      'SERVER_UNREACHABLE',
      `${CLOCK_VARIABLE}: no clock answers at port ${url.port}; start replay --processes again`,
      {
        cause,
      },
    );
  });
  const clock = virtualClock();
  const inHand = new InHand();
  const left = new AbortController();
  const begun = Promise.withResolvers<void>();
  const answers = new Map<number, (answer: Answer) => void>();
  let listener: (report: Report) => void = () => {};
  let service: Followed | undefined;
  let asked = 0;

  const rest = async (n: number) => {
    await allIdle(service ? [service, inHand] : [inHand]);
    line.send({ kind: 'rests', n, nextMs: clock.nextMs() ?? null, held: service?.held() ?? [] });
  };
  const take = (message: FromConductor) => {
    switch (message.kind) {
      case 'begin':
        clock.set(message.nowMs);
        begun.resolve();
        break;
      case 'now':
        clock.set(message.nowMs);
        if (message.step) clock.step(message.nowMs);
        void rest(message.n);
        break;
      case 'report':
        listener(message.report);
        break;
      case 'answer':
        answers.get(message.n)?.(message);
        answers.delete(message.n);
    }
  };
  const line = wire<FromConductor, FromFollower>(socket, take);
  void line.closed.then(() => {
    left.abort();
    // A caller that waits for an answer has to end, too.
    for (const done of answers.values()) done({});
  });
  line.send({ kind: 'hello', name: decodeURIComponent(url.username), token: url.password });
  await Promise.race([begun.promise, line.closed]);
  if (left.signal.aborted)
    throw new TagalongError(
      'SERVER_UNREACHABLE',
      `${CLOCK_VARIABLE}: the clock does not expect this process; start replay --processes again`,
    );

  const ask = (question: Question) =>
    inHand.during(
      () =>
        new Promise<unknown>((done, failed) => {
          if (left.signal.aborted) return done(undefined);
          answers.set(++asked, ({ value, fault }) => {
            if (fault === undefined) done(value);
            else failed(new TagalongError(fault.code, fault.message));
          });
          line.send({ kind: 'ask', n: asked, question });
        }),
    );
  return {
    clock,
    tapBus: (bus) => tappedBus(bus, line, inHand),
    tapStore: (store) => tappedStore(store, inHand),
    machines: {
      hypervisor: {
        listen(to) {
          listener = to;
        },
        begin: (step, move) => line.send({ kind: 'order', order: { kind: 'begin', step, move } }),
        abort: (move) => line.send({ kind: 'order', order: { kind: 'abort', move } }),
        inspect: (move) => line.send({ kind: 'order', order: { kind: 'inspect', move } }),
      },
      hosts: {
        vmsAt: async (site) => ((await ask({ what: 'vmsAt', site })) as string[] | null) ?? undefined,
        startVm: async (vm, site, spec) => void (await ask({ what: 'startVm', vm, site, spec })),
        remove: async (vm) => void (await ask({ what: 'remove', vm })),
        // The conductor's machines know the sites of the configuration, and no others come or go.
        declare() {},
        withdraw() {},
      },
      setLeader: async (on) => void (await ask({ what: 'duty', on })),
      close() {},
    },
    started(followed, at) {
      service = followed;
      line.send({ kind: 'started', url: at });
    },
    left: left.signal,
  };
}
