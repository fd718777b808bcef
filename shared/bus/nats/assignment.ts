import { hashOf } from '../../events/index.ts';

/** A member of a group that is alive. */
export interface Alive {
  readonly id: string;
  /** When it joined, as a number that grows with each member. */
  readonly since: number;
}

/**
 * Assigns each partition to a member. All processes that know the same members compute the same. No member has two partitions
 * more than another, and when a member comes or goes most partitions stay where they are (rendezvous hashing with a bound for
 * each member). In an exclusive group the member that joined first has all of them.
 * @returns the ids of the members by partition; empty where there is no member
 */
export function assignPartitions(members: readonly Alive[], partitions: number, exclusive: boolean): readonly string[] {
  if (members.length === 0) return [];
  if (exclusive) {
    const oldest = members.reduce((a, b) => (b.since < a.since ? b : a));
    return Array.from({ length: partitions }, () => oldest.id);
  }
  const ids = members.map(({ id }) => id).sort();
  const [few, over] = [Math.floor(partitions / ids.length), partitions % ids.length];
  const room = new Map(ids.map((id, i) => [id, i < over ? few + 1 : few]));
  return Array.from({ length: partitions }, (_, partition) => {
    const free = ids.filter((id) => room.get(id)! > 0);
    const owner = free.reduce((a, b) => (weight(partition, b) > weight(partition, a) ? b : a));
    room.set(owner, room.get(owner)! - 1);
    return owner;
  });
}

function weight(partition: number, member: string): number {
  return hashOf(`${member}/${partition}`, 0x7fffffff);
}
