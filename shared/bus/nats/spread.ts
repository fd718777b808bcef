import { partitionOf } from '../../events/index.ts';

/** A member of a group that is alive. */
export interface Alive {
  readonly id: string;
  /** Grows with each member that joins. */
  readonly since: number;
}

/**
 * Which member each partition belongs to: the same for all who know the same members, as even as can be, and with most
 * partitions where they were when a member comes or goes (rendezvous hashing, with a bound for each member).
 * Of an exclusive group all belong to the one that has been there longest.
 */
export function spread(members: readonly Alive[], partitions: number, exclusive: boolean): readonly string[] {
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
  return partitionOf(`${member}/${partition}`, 0x7fffffff);
}
