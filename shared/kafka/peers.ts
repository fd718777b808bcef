/** The other members of a group: logs which join and which leave. */
import { hostname } from 'node:os';
import { AssignerProtocol } from 'kafkajs';
import type { KafkaClient } from './client.ts';

const { MemberMetadata } = AssignerProtocol;

/** The name under which other processes log this one. */
const THIS_PROCESS = `${hostname()}/${process.pid}`;
/** Longer names of other processes are truncated: a foreign member may send anything. */
const LONGEST_PROCESS = 100;

/** The user data in a member's request to join: the partitions that it has, and its process. */
export function joinData(held: readonly number[]): Buffer {
  // Older programs split this at the commas and ignore each part that is no number, as the process.
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
   * Asks the brokers for the members, and logs which have joined and left since the last answer. During a rebalance it does
   * nothing: each member calls it again after the rebalance.
   * @param memberId this member, which is not a peer of itself
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
