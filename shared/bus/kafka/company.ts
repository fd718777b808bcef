/** Who else is in a group: says in the log who has come and who has gone. */
import { hostname } from 'node:os';
import { AssignerProtocol } from 'kafkajs';
import type { KafkaClient } from './client.ts';

const { MemberMetadata } = AssignerProtocol;

/** What this process is called to the others. */
const THIS_PROCESS = `${hostname()}/${process.pid}`;
/** Others may have written anything into the log. */
const LONGEST_PROCESS = 100;

/** What a member says of itself when it joins: the partitions that it has, and which process it is in. */
export function introduction(held: readonly number[]): Buffer {
  // Programs that know of no processes read numbers and nothing else: it is one more of them that is none.
  return Buffer.from([...held, THIS_PROCESS].join());
}

/** The partitions of an {@link introduction}. */
export function heldIn(userData: Buffer | undefined): number[] {
  return partsOf(userData)
    .filter((part) => /^\d+$/.test(part))
    .map(Number);
}

function processIn(userData: Buffer | undefined): string {
  const named = partsOf(userData).find((part) => !/^\d*$/.test(part));
  return (named ?? 'unknown').slice(0, LONGEST_PROCESS);
}

function partsOf(userData: Buffer | undefined): string[] {
  return userData?.toString().split(',') ?? [];
}

/** The other members of one group, from one look to the next. */
export class Company {
  readonly #client: KafkaClient;
  readonly #groupId: string;
  /** By id, with their processes; undefined before the first look. */
  #others: ReadonlyMap<string, string> | undefined;

  constructor(client: KafkaClient, groupId: string) {
    this.#client = client;
    this.#groupId = groupId;
  }

  /** Says who has come and who has gone since the last look. A group that comes together at the moment is looked at when it has. */
  async look(memberId: string): Promise<void> {
    const { admin, prefix, log } = this.#client;
    if (log === undefined) return;
    const [described] = (await admin.describeGroups([this.#groupId])).groups;
    if (described?.state !== 'Stable') return;
    const others = new Map<string, string>();
    for (const member of described.members) {
      if (member.memberId === memberId) continue;
      others.set(member.memberId, processIn(MemberMetadata.decode(member.memberMetadata)?.userData));
    }
    const known = this.#others;
    this.#others = others;
    if (known === undefined) return;
    const group = this.#groupId.slice(prefix.length + 1);
    for (const [id, process] of others) if (!known.has(id)) log.info({ group, process }, 'a member joined');
    for (const [id, process] of known) if (!others.has(id)) log.info({ group, process }, 'a member left');
  }
}
