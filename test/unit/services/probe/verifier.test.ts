import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Frame, MAX_FRAME_BYTES, MIN_FRAME_BYTES, newFrame } from '#services/probe/frames.ts';
import { difference, type Tally, Verifier } from '#services/probe/verifier.ts';

/** Creates a verifier, and sends messages of these lengths. `tally` holds its counts. */
function sent(lengths: readonly number[]) {
  const tally: Tally = { sentBytes: 0, intactBytes: 0, lostBytes: 0, reorderedBytes: 0, corruptedBytes: 0 };
  const echoed: number[] = [];
  const verifier = new Verifier(tally, ({ seq }) => echoed.push(seq));
  const frames = lengths.map((length, seq) => newFrame(seq, seq * 5, length));
  for (const frame of frames) verifier.sent(frame);
  return { verifier, tally, echoed, frames, stream: join(frames) };
}

const join = (frames: readonly Frame[]) => Buffer.concat(frames.map(({ bytes }) => bytes));
const faults = ({ lostBytes, reorderedBytes, corruptedBytes }: Tally) => ({
  lostBytes,
  reorderedBytes,
  corruptedBytes,
});
const NONE = { lostBytes: 0, reorderedBytes: 0, corruptedBytes: 0 };
const lengths = fc.array(fc.integer({ min: MIN_FRAME_BYTES, max: 300 }), { minLength: 1, maxLength: 40 });

describe('an echo', () => {
  test('that equals the sent bytes is intact, in pieces of any size', () => {
    fc.assert(
      fc.property(lengths, fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }), (sizes, cuts) => {
        const { verifier, tally, echoed, stream } = sent(sizes);
        for (let at = 0, i = 0; at < stream.length; i++) {
          const end = at + cuts[i % cuts.length]!;
          verifier.receive(stream.subarray(at, end));
          at = end;
        }
        expect(verifier.outstandingBytes).toBe(0);
        verifier.end();
        expect(tally).toEqual({ sentBytes: stream.length, intactBytes: stream.length, ...NONE });
        expect(echoed).toEqual(sizes.map((_, seq) => seq));
      }),
    );
  });

  test('with one changed byte is corrupted by one byte', () => {
    fc.assert(
      fc.property(lengths, fc.nat(), fc.integer({ min: 1, max: 255 }), (sizes, place, mask) => {
        const { verifier, tally, echoed, stream } = sent(sizes);
        const at = place % stream.length;
        stream[at]! ^= mask;
        verifier.receive(stream);
        verifier.end();
        expect(faults(tally)).toEqual({ ...NONE, corruptedBytes: 1 });
        expect(tally.intactBytes).toBe(stream.length - 1);
        expect(echoed.length).toBe(sizes.length);
      }),
    );
  });

  test('without a piece counts as many bytes as lost', () => {
    fc.assert(
      fc.property(lengths, fc.nat(), fc.nat(), (sizes, from, size) => {
        const { verifier, tally, stream } = sent(sizes);
        const begin = from % stream.length;
        const end = begin + 1 + (size % (stream.length - begin));
        verifier.receive(Buffer.concat([stream.subarray(0, begin), stream.subarray(end)]));
        verifier.end();
        expect(tally.lostBytes).toBe(end - begin);
        expect(tally.intactBytes + tally.corruptedBytes).toBe(stream.length - (end - begin));
        // If the gap begins and ends within messages, the rest of these messages may look damaged.
        expect(tally.corruptedBytes).toBeLessThan(600);
      }),
    );
  });

  test('in another order is reordered, and nothing of it is lost', () => {
    const { verifier, tally, frames, echoed } = sent([32, 32, 64, 32, 32]);
    const [a, b, c, d, e] = frames as [Frame, Frame, Frame, Frame, Frame];
    verifier.receive(join([a, c]));
    expect(tally.lostBytes, 'not yet arrived').toBe(32);
    verifier.receive(join([d, b, e]));
    verifier.end();
    expect(faults(tally)).toEqual({ ...NONE, reorderedBytes: 32 });
    expect(echoed).toEqual([0, 2, 3, 1, 4]);
  });

  test('of a message twice, or of bytes that were never sent, is corrupted', () => {
    const { verifier, tally, frames } = sent([32, 32]);
    const [a, b] = frames as [Frame, Frame];
    verifier.receive(join([a, a, b]));
    verifier.receive(Buffer.from('and another thing'));
    verifier.end();
    expect(faults(tally)).toEqual({ ...NONE, corruptedBytes: 32 + 17 });
  });

  test('that ends early loses the rest', () => {
    const { verifier, tally, stream } = sent([32, 300]);
    verifier.receive(stream.subarray(0, 40));
    verifier.end();
    expect(faults(tally)).toEqual({ ...NONE, lostBytes: 292 });
  });

  test('of endless garbage does not fill the memory, and a later message is recognised', () => {
    const { verifier, tally, echoed, frames } = sent([MAX_FRAME_BYTES, MAX_FRAME_BYTES]);
    for (let i = 0; i < 100; i++) verifier.receive(Buffer.alloc(MAX_FRAME_BYTES, 7));
    expect(tally.corruptedBytes).toBeGreaterThan(200_000);
    const next = newFrame(99, 0, 32);
    verifier.sent(next);
    verifier.receive(Buffer.concat([next.bytes]));
    verifier.end();
    expect(echoed).toContain(99);
    expect(frames.length).toBe(2);
  });
});

test('the fillers of two messages differ in nearly all bytes', () => {
  const [a, b] = [newFrame(1, 0, MAX_FRAME_BYTES).bytes, newFrame(2, 0, MAX_FRAME_BYTES).bytes];
  expect(difference(a, b).corrupted).toBeGreaterThan(0.98 * (MAX_FRAME_BYTES - 24));
});
