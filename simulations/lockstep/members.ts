import { randomUUID, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { connection } from './connection.ts';
import { Member } from './member.ts';
import type { FromConductor, FromFollower } from './messages.ts';

/** The processes that may connect, and the callbacks of their messages. */
export interface MembersOptions {
  readonly names: readonly string[];
  readonly nowMs: () => number;
  readonly joined: (member: Member) => void;
  /** Receives all messages but `hello` and `idle`. */
  readonly received: (member: Member, message: FromFollower) => void;
  readonly ended: (member: Member) => void;
}

/** The followers of a conductor, and the server to which they connect. */
export class Members {
  readonly #options: MembersOptions;
  /** In order of the names, so that no result depends on which process connects first. */
  #byName = new Map<string, Member>();
  readonly #token = randomUUID();
  readonly #server = createServer((socket) => this.#connected(socket));

  constructor(options: MembersOptions) {
    this.#options = options;
  }

  /** Begins to listen, on the loopback. */
  async open(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /** The address to which the process of this name connects. */
  address(name: string): string {
    const { port } = this.#server.address() as AddressInfo;
    return `tcp://${name}:${this.#token}@127.0.0.1:${port}`;
  }

  /** The present members, in order of their names. */
  get all(): readonly Member[] {
    return [...this.#byName.values()];
  }

  get(name: string): Member | undefined {
    return this.#byName.get(name);
  }

  /** The present members of a service, in order of their names. */
  of(service: string): readonly Member[] {
    return this.all.filter(({ name }) => name.startsWith(`${service}-`));
  }

  /** The names of the processes that have not started, or have ended. */
  get missing(): readonly string[] {
    return this.#options.names.filter((name) => this.#byName.get(name)?.url === undefined);
  }

  async close(): Promise<void> {
    for (const member of this.all) member.close();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #connected(socket: Socket): void {
    let member: Member | undefined;
    const opened = connection<FromFollower, FromConductor>(socket, (message) => {
      if (member === undefined) {
        if (message.kind !== 'hello' || !this.#expects(message)) return opened.close();
        member = new Member(message.name, opened);
        this.#byName = new Map([...this.#byName, [member.name, member] as const].sort(([a], [b]) => (a < b ? -1 : 1)));
        this.#options.joined(member);
        opened.send({ kind: 'begin', nowMs: this.#options.nowMs() });
      } else if (message.kind === 'idle') member.answered(message);
      else this.#options.received(member, message);
    });
    void opened.closed.then(() => {
      if (member === undefined) return;
      member.ended();
      this.#byName.delete(member.name);
      this.#options.ended(member);
    });
  }

  #expects({ name, token }: { readonly name: string; readonly token: string }): boolean {
    const [given, ours] = [Buffer.from(token), Buffer.from(this.#token)];
    const isOurs = given.length === ours.length && timingSafeEqual(given, ours);
    return isOurs && this.#options.names.includes(name) && !this.#byName.has(name);
  }
}
