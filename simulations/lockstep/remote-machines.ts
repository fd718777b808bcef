import { TagalongError } from '#shared/errors.ts';
import type { Machines } from '#shared/hypervisor/hosts.ts';
import type { Report } from '#shared/hypervisor/hypervisor.ts';
import type { Answer, FromFollower, Question } from './messages.ts';
import type { RequestsInFlight } from './tap.ts';

/** The machines of a follower. The conductor simulates them, so that they outlive this process; orders and questions go to it. */
export class RemoteMachines implements Machines {
  readonly #send: (message: FromFollower) => void;
  readonly #inFlight: RequestsInFlight;
  /** By number: resolves a question. */
  readonly #answers = new Map<number, (answer: Answer) => void>();
  #asked = 0;
  #conductorGone = false;
  #listener: (report: Report) => void = () => {};

  /** @param inFlight knows the questions without an answer */
  constructor(send: (message: FromFollower) => void, inFlight: RequestsInFlight) {
    this.#send = send;
    this.#inFlight = inFlight;
  }

  readonly hypervisor: Machines['hypervisor'] = {
    listen: (listener) => {
      this.#listener = listener;
    },
    begin: (step, move) => this.#send({ kind: 'order', order: { kind: 'begin', step, move } }),
    abort: (move) => this.#send({ kind: 'order', order: { kind: 'abort', move } }),
    inspect: (move) => this.#send({ kind: 'order', order: { kind: 'inspect', move } }),
  };

  readonly hosts: Machines['hosts'] = {
    vmsAt: async (site) => ((await this.#ask({ what: 'vmsAt', site })) as string[] | null) ?? undefined,
    startVm: async (vm, site, spec) => void (await this.#ask({ what: 'startVm', vm, site, spec })),
    remove: async (vm) => void (await this.#ask({ what: 'remove', vm })),
    // The conductor's machines have exactly the sites of the configuration.
    declare() {},
    withdraw() {},
  };

  async setLeader(isLeader: boolean): Promise<void> {
    await this.#ask({ what: 'setLeader', isLeader });
  }

  close(): void {}

  /** Passes a report of the conductor's machines on to the migrator. */
  report(report: Report): void {
    this.#listener(report);
  }

  /** Resolves the question of this number. */
  answered(n: number, answer: Answer): void {
    this.#answers.get(n)?.(answer);
    this.#answers.delete(n);
  }

  /** Ends all questions, also later ones, without a value: callers must not wait for an answer that never arrives. */
  end(): void {
    this.#conductorGone = true;
    for (const resolve of this.#answers.values()) resolve({});
  }

  /** @throws TagalongError with the code of the conductor's answer */
  #ask(question: Question): Promise<unknown> {
    return this.#inFlight.during(async () => {
      if (this.#conductorGone) return undefined;
      const { promise, resolve } = Promise.withResolvers<Answer>();
      const n = ++this.#asked;
      this.#answers.set(n, resolve);
      this.#send({ kind: 'ask', n, question });
      const { value, fault } = await promise;
      if (fault !== undefined) throw new TagalongError(fault.code, fault.message);
      return value;
    });
  }
}
