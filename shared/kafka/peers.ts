/** The other members of a group: logs which come and which go. */
import { hostname } from 'node:os';
import { AssignerProtocol } from 'kafkajs';
import type { KafkaClient } from './client.ts';

const { MemberMetadata } = AssignerProtocol;

/** The name of this process for the others. */
const THIS_PROCESS = `${hostname()}/${process.pid}`;
/** Longer names of other processes are cut: a foreign member may send anything. */
const LONGEST_PROCESS = 100;

/** What a member sends with its request to join: the partitions that it has, and its process. */
export function joinData(held: readonly number[]): Buffer {
  // Older programs split this at the commas and read numbers: the process is one more part, which is none.
  return Buffer.from([...held, THIS_PROCESS].join());
}

/** The partitions in {@link joinData}. */
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

/** The other members of one group, as the brokers listed them last. */
export class Peers {
  readonly #client: KafkaClient;
  readonly #groupId: string;
  /** Their processes, by the members' ids; undefined before the first answer. */
  #others: ReadonlyMap<string, string> | undefined;

  constructor(client: KafkaClient, groupId: string) {
    this.#client = client;
    this.#groupId = groupId;
  }

  /**
   * Asks the brokers for the members, and logs which have come and gone since the last answer. While the group rebalances it does
   * nothing: each member looks again when that is over.
   * @param memberId the member that asks, which is none of its own peers
   * @throws an error of kafkajs
   */
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
