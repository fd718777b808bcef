/**
 * Assigns the partitions of a group to its members. Partition 3 of every topic goes to the same member, because `assigned` names
 * partitions without topics. Members keep their partitions if that is fair, because loading the state of a partition is slow. Each
 * member sends the partitions that it has with its request to join.
 */
import { AssignerProtocol, type PartitionAssigner } from 'kafkajs';
import { heldIn, joinData } from './peers.ts';

const { MemberMetadata, MemberAssignment } = AssignerProtocol;

/** A member that joins. */
export interface Candidate {
  readonly id: string;
  /** The partitions that it has. */
  readonly held: readonly number[];
}

/**
 * Assigns partitions so that no member has two more than another. In an exclusive group the member that had the most has all of
 * them.
 * @returns the partitions of each member, by its id
 */
export function assignPartitions(
  candidates: readonly Candidate[],
  partitions: number,
  exclusive: boolean,
): Map<string, number[]> {
  // The members with most partitions come first, so that they keep the remainder. The id breaks ties alike in all processes.
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
 * {@link assignPartitions} in the form that kafkajs requires. The broker rejects members of one group that differ in `exclusive`.
 * @param held returns the present partitions of this member
 */
export function assigner(exclusive: boolean, held: () => readonly number[]): PartitionAssigner {
  const name = exclusive ? 'tagalong-exclusive' : 'tagalong-shared';
  return ({ cluster }) => ({
    name,
    version: 0,
    protocol: ({ topics }) => ({
      name,
      metadata: MemberMetadata.encode({ version: 0, topics, userData: joinData(held()) }),
    }),
    async assign({ members, topics }) {
      const partitions = Math.max(...topics.map((topic) => cluster.findTopicPartitionMetadata(topic).length));
      const candidates = members.map(({ memberId, memberMetadata }) => ({
        id: memberId,
        held: heldIn(MemberMetadata.decode(memberMetadata)?.userData),
      }));
      return [...assignPartitions(candidates, partitions, exclusive)].map(([memberId, mine]) => ({
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
