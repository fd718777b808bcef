import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Claim, Claims } from '#shared/store/claims.ts';

const claim = (id: string, version: number): Claim => ({ id, key: 'k', version, text: id });

describe('claims', () => {
  test('the first claim of a version wins', () => {
    const claims = new Claims();
    expect(claims.apply(claim('a', 1))).toEqual({ won: true, obsolete: undefined });
    expect(claims.apply(claim('b', 1))).toEqual({ won: false, obsolete: 'b' });
    expect(claims.get('k')).toMatchObject({ text: 'a', version: 1 });
  });

  test('a new version makes the previous one obsolete', () => {
    const claims = new Claims();
    claims.apply(claim('a', 1));
    expect(claims.apply(claim('b', 2))).toEqual({ won: true, obsolete: 'a' });
    expect(claims.apply(claim('c', 1))).toEqual({ won: false, obsolete: 'c' });
  });

  test('a claim that is read twice does not become obsolete', () => {
    const claims = new Claims();
    claims.apply(claim('a', 1));
    expect(claims.apply(claim('a', 1)).obsolete).toBeUndefined();
  });

  test('a deleted record has a version and no value', () => {
    const claims = new Claims();
    claims.apply(claim('a', 1));
    claims.apply({ ...claim('b', 2), text: undefined });
    expect([claims.get('k'), claims.keys(''), claims.version('k')]).toEqual([undefined, [], 2]);
  });
});

/**
 * The steps of writers, each of which has read a different part of the log: claim the next version of the record that it knows, read
 * on, name obsolete claims. And a step of the broker: remove obsolete claims.
 */
const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('claim' as const), writer: fc.nat(2), key: fc.nat(1), deletes: fc.boolean() }),
    fc.record({ kind: fc.constant('read' as const), writer: fc.nat(2), records: fc.integer({ min: 1, max: 12 }) }),
    fc.record({ kind: fc.constant('sweep' as const), writer: fc.nat(2), keeps: fc.nat(1) }),
    fc.record({
      kind: fc.constant('compact' as const),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      forgetTombstones: fc.boolean(),
    }),
  ),
  { minLength: 20, maxLength: 100, size: 'max' },
);

interface Record {
  readonly offset: number;
  readonly id: string;
  /** Undefined: a tombstone. */
  readonly claim?: Claim;
}

describe('a compacted log of claims', () => {
  test('gives late and early readers the same records', () => {
    let removed = 0;
    let raced = 0;
    fc.assert(
      fc.property(steps, (history) => {
        let log: Record[] = [];
        let end = 0;
        const append = (id: string, claim?: Claim) => log.push({ offset: end++, id, ...(claim && { claim }) });
        const whole: Claim[] = [];
        const writers = [0, 1, 2].map(() => ({ claims: new Claims(), readTo: 0, obsolete: [] as string[] }));
        for (const step of history) {
          if (step.kind === 'claim') {
            const key = `k${step.key}`;
            const version = writers[step.writer]!.claims.version(key) + 1;
            const claim = { id: `c${end}`, key, version, text: step.deletes ? undefined : `v${end}` };
            append(claim.id, claim);
            whole.push(claim);
          } else if (step.kind === 'read') {
            const writer = writers[step.writer]!;
            for (const { offset, claim } of log
              .filter(({ offset }) => offset >= writer.readTo)
              .slice(0, step.records)) {
              writer.readTo = offset + 1;
              const judgement = claim && writer.claims.apply(claim);
              if (judgement?.obsolete !== undefined) writer.obsolete.push(judgement.obsolete);
              if (judgement?.won === false) raced++;
            }
          } else if (step.kind === 'sweep') {
            const { obsolete } = writers[step.writer]!;
            for (const id of obsolete.splice(step.keeps)) append(id);
          } else {
            // The compaction may pass the offset of a writer, which must still get the same records.
            const upTo = Math.floor(end * step.share);
            const last = new Map(log.filter(({ offset }) => offset < upTo).map(({ id, offset }) => [id, offset]));
            const before = log.length;
            log = log.filter(({ offset, id, claim }) => {
              if (offset >= upTo) return true;
              return last.get(id) === offset && (claim !== undefined || !step.forgetTombstones);
            });
            removed += before - log.length;
          }
        }
        const truth = new Claims();
        for (const claim of whole) truth.apply(claim);
        const late = new Claims();
        for (const { claim } of log) if (claim) late.apply(claim);
        for (const { claims, readTo } of writers) {
          for (const { offset, claim } of log) if (claim && offset >= readTo) claims.apply(claim);
        }
        for (const key of ['k0', 'k1']) {
          for (const claims of [late, ...writers.map((writer) => writer.claims)]) {
            expect(claims.get(key)).toEqual(truth.get(key));
            expect(claims.version(key)).toBe(truth.version(key));
          }
        }
      }),
      { numRuns: 1_000 },
    );
    expect(removed).toBeGreaterThan(100);
    expect(raced).toBeGreaterThan(100);
  });
});
