/**
 * Who of a group has which partitions. Partition 3 of every topic goes to the same member, because a member is told
 * numbers of partitions and not of topics. Who had a partition keeps it where that is fair: what a member knows of its
 * partitions has cost it something to load. The members' own word for what they had travels with their wish to join.
 */
import { AssignerProtocol, type PartitionAssigner } from 'kafkajs';
import { heldIn, introduction } from './company.ts';

const { MemberMetadata, MemberAssignment } = AssignerProtocol;

/** A member that wants to take part. */
export interface Candidate {
  readonly id: string;
  /** What it had until now. */
  readonly held: readonly number[];
}

/**
 * Shares partitions so that no member has two more than another; where the group is exclusive, one has all: who had
 * the most, and the others none.
 */
export function share(candidates: readonly Candidate[], partitions: number, exclusive: boolean): Map<string, number[]> {
  // Those who have most first, so that what is left over stays where it was; the name breaks ties the same everywhere.
  const members = candidates.toSorted((a, b) => b.held.length - a.held.length || (a.id < b.id ? -1 : 1));
  const shares = new Map<string, number[]>(members.map(({ id }) => [id, []]));
  const active = exclusive ? 1 : members.length;
  const free = new Set(Array.from({ length: partitions }, (_, partition) => partition));
  const room = members.map((_, i) =>
    i < active ? Math.floor(partitions / active) + (i < partitions % active ? 1 : 0) : 0,
  );
  for (const [i, { id, held }] of members.entries()) {
    for (const partition of held) {
      if (shares.get(id)!.length < room[i]! && free.delete(partition)) shares.get(id)!.push(partition);
    }
  }
  for (const [i, { id }] of members.entries()) {
    const mine = shares.get(id)!;
    for (const partition of [...free].slice(0, room[i]! - mine.length)) {
      free.delete(partition);
      mine.push(partition);
    }
    mine.sort((a, b) => a - b);
  }
  return shares;
}

/**
 * {@link share} as kafkajs wants it. Members of a group that do not agree on `exclusive` are refused by the broker.
 * @param held what this member has at the moment
 */
export function assigner(exclusive: boolean, held: () => readonly number[]): PartitionAssigner {
  const name = exclusive ? 'tagalong-exclusive' : 'tagalong-shared';
  return ({ cluster }) => ({
    name,
    version: 0,
    protocol: ({ topics }) => ({
      name,
      metadata: MemberMetadata.encode({ version: 0, topics, userData: introduction(held()) }),
    }),
    async assign({ members, topics }) {
      const partitions = Math.max(...topics.map((topic) => cluster.findTopicPartitionMetadata(topic).length));
      const candidates = members.map(({ memberId, memberMetadata }) => ({
        id: memberId,
        held: heldIn(MemberMetadata.decode(memberMetadata)?.userData),
      }));
      return [...share(candidates, partitions, exclusive)].map(([memberId, mine]) => ({
        memberId,
        memberAssignment: MemberAssignment.encode({
          version: 0,
          assignment: Object.fromEntries(topics.map((topic) => [topic, mine])),
          userData: Buffer.alloc(0),
        }),
      }));
    },
  });
}
