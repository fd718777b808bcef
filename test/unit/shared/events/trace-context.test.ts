import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readTraceparent, spanIdOf, traceOf, traceparentOf } from '#shared/events/index.ts';

test('the context of a move is valid for W3C, always the same, and different from that of another move', () => {
  const name = fc.string({ minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(name, fc.nat(), name, fc.nat(), (a, atA, b, atB) => {
      const context = traceOf(a, atA);
      expect(traceOf(a, atA)).toEqual(context);
      expect(readTraceparent(traceparentOf(context))).toEqual(context);
      expect(spanIdOf(context, 'queue')).toMatch(/^[\da-f]{16}$/);
      if (a !== b || atA !== atB) expect(traceOf(b, atB).traceId).not.toBe(context.traceId);
    }),
  );
});

test('a hundred thousand moves of VMs with similar names have different traces', () => {
  const ids = new Set<string>();
  for (let vm = 0; vm < 1000; vm++) for (let seq = 0; seq < 100; seq++) ids.add(traceOf(`vm-${vm}:${seq}`, 1).traceId);
  expect(ids.size).toBe(100_000);
});

test.each([
  undefined,
  7,
  '',
  '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331',
  '01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  '00-00000000000000000000000000000000-b7ad6b7169203331-01',
  '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01',
  '00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01',
])('%j is no traceparent', (text) => {
  expect(readTraceparent(text)).toBeUndefined();
});
