import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Alive, assignPartitions } from '#shared/bus/nats/assignment.ts';

const groups: fc.Arbitrary<Alive[]> = fc.uniqueArray(
  fc.record({ id: fc.string({ minLength: 1, maxLength: 22 }), since: fc.nat() }),
  { selector: ({ id }) => id, minLength: 1, maxLength: 20 },
);

describe('partitions', () => {
  test('are spread evenly: no member has two more than another', () => {
    fc.assert(
      fc.property(groups, fc.integer({ min: 1, max: 64 }), (members, partitions) => {
        const owners = assignPartitions(members, partitions, false);
        const counts = members.map(({ id }) => owners.filter((owner) => owner === id).length);
        expect(owners.length).toBe(partitions);
        expect(counts.reduce((sum, count) => sum + count)).toBe(partitions);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('are assigned the same by each member, in any order of the members', () => {
    fc.assert(
      fc.property(groups, (members) => {
        expect(assignPartitions(members.toReversed(), 16, false)).toEqual(assignPartitions(members, 16, false));
      }),
    );
  });

  test('mostly stay with their member when another one joins', () => {
    let [moved, fair] = [0, 0];
    for (let size = 1; size <= 8; size++) {
      for (let round = 0; round < 20; round++) {
        const members = Array.from({ length: size + 1 }, (_, i) => ({ id: `member-${round}-${i}`, since: i }));
        const before = assignPartitions(members.slice(0, size), 64, false);
        const after = assignPartitions(members, 64, false);
        moved += after.filter((owner, partition) => owner !== before[partition]).length;
        fair += 64 / (size + 1);
      }
    }
    expect(moved).toBeGreaterThanOrEqual(fair * 0.9);
    // Modulo would move nearly all, more than three times the necessary number.
    expect(moved).toBeLessThan(fair * 1.8);
  });

  test('of an exclusive group all belong to the oldest member', () => {
    const members = [
      { id: 'b', since: 7 },
      { id: 'a', since: 9 },
      { id: 'c', since: 8 },
    ];
    expect(new Set(assignPartitions(members, 4, true))).toEqual(new Set(['b']));
  });

  test('belong to nobody without members', () => {
    expect(assignPartitions([], 4, false)).toEqual([]);
    expect(assignPartitions([], 4, true)).toEqual([]);
  });
});
