import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assignPartitions, type Candidate } from '#shared/kafka/assigner.ts';

const PARTITIONS = 16;
const ids = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 20 });
/** Members that claim any partitions, also the same ones. */
const candidates: fc.Arbitrary<Candidate[]> = ids.chain((names) =>
  fc.tuple(...names.map((id) => fc.record({ id: fc.constant(id), held: fc.uniqueArray(fc.nat(PARTITIONS - 1)) }))),
);
const held = (shares: ReadonlyMap<string, number[]>) => [...shares].map(([id, mine]) => ({ id, held: mine }));

describe('partitions', () => {
  test('belong to one member each, and no member has two more than another', () => {
    fc.assert(
      fc.property(candidates, (members) => {
        const shares = assignPartitions(members, PARTITIONS, false);
        const sizes = members.map(({ id }) => shares.get(id)!.length);
        expect([...shares.values()].flat().sort((a, b) => a - b)).toEqual(
          Array.from({ length: PARTITIONS }, (_, p) => p),
        );
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('are assigned the same by each member', () => {
    fc.assert(
      fc.property(candidates, fc.boolean(), (members, exclusive) => {
        const assigned = assignPartitions(members, PARTITIONS, exclusive);
        expect(new Map(assignPartitions(members.toReversed(), PARTITIONS, exclusive))).toEqual(
          new Map([...assigned].toReversed()),
        );
      }),
    );
  });

  test('stay with their members if no member joins or leaves', () => {
    fc.assert(
      fc.property(candidates, fc.boolean(), (members, exclusive) => {
        const once = assignPartitions(members, PARTITIONS, exclusive);
        expect(assignPartitions(held(once), PARTITIONS, exclusive)).toEqual(once);
      }),
    );
  });

  test('move only to a new member, or from one that left', () => {
    const two = assignPartitions(
      held(assignPartitions([{ id: 'a', held: [] }], PARTITIONS, false)).concat({ id: 'b', held: [] }),
      PARTITIONS,
      false,
    );
    expect(two.get('a')).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const three = assignPartitions(held(two).concat({ id: 'c', held: [] }), PARTITIONS, false);
    expect(two.get('a')).toEqual(expect.arrayContaining(three.get('a')!));
    expect(two.get('b')).toEqual(expect.arrayContaining(three.get('b')!));
    const left = assignPartitions(held(three).slice(1), PARTITIONS, false);
    expect(left.get('c')).toEqual(expect.arrayContaining(three.get('c')!));
  });

  test('of an exclusive group stay with the member that has them', () => {
    fc.assert(
      fc.property(ids, fc.nat(), (names, choice) => {
        const active = names[choice % names.length]!;
        const all = Array.from({ length: PARTITIONS }, (_, p) => p);
        const shares = assignPartitions(
          names.map((id) => ({ id, held: id === active ? all : [] })),
          PARTITIONS,
          true,
        );
        for (const id of names) expect(shares.get(id)).toEqual(id === active ? all : []);
      }),
    );
  });
});
