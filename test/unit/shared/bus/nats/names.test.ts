import fc from 'fast-check';
import { expect, test } from 'vitest';
import { consumerName, keyOfSubject, namesOf, ownerOf } from '#shared/bus/nats/names.ts';
import { escapeToken, unescapeToken } from '#shared/nats/tokens.ts';
import { locationOf } from '../../../../contract/bus-events.ts';

// Half surrogates are no text: UTF-8 cannot encode them.
const anyText = fc.string({
  unit: fc.constantFrom('a', 'Z', '0', '-', '_', '=', '.', '*', '>', ' ', '/', '~', 'é', '你', '😀', '\n'),
});

test('any text becomes a valid token for NATS, and the token becomes the text again', () => {
  fc.assert(
    fc.property(fc.oneof(anyText, fc.string({ unit: 'grapheme' })), (text) => {
      expect(escapeToken(text)).toMatch(/^[A-Za-z0-9_=-]+$/);
      expect(unescapeToken(escapeToken(text))).toBe(text);
    }),
  );
});

test('different texts become different tokens', () => {
  fc.assert(
    fc.property(anyText, anyText, (a, b) => {
      expect(escapeToken(a) === escapeToken(b)).toBe(a === b);
    }),
  );
});

test.each(['a.b', '=zz', '=4', '=41', 'é', 'a b', '='.repeat(2)])('%j is no token of ours', (token) => {
  expect(unescapeToken(token)).toBeUndefined();
});

test('a subject names partition, type and key', () => {
  const names = namesOf('tagalong', 1);
  expect(names.subject(locationOf('vm-1', 1))).toBe('tagalong.0.location.reported.v1.vm-1');
  expect(names.subject(locationOf('vm.a:b@c', 1))).toBe('tagalong.0.location.reported.v1.vm=2Ea=3Ab=40c');
  expect(names.filter(3)).toBe('tagalong.3.>');
  expect(names.filter(3, 'vm.declared.v1')).toBe('tagalong.3.vm.declared.v1.*');
});

test('a subject without a key gives no key', () => {
  expect(keyOfSubject('tagalong.0.location.reported.v1.vm=2Ea')).toBe('vm.a');
  for (const subject of ['tagalong.0.location.reported.v1', 'tagalong.0.a.b.c.d.e', 'tagalong.0', '']) {
    expect(keyOfSubject(subject)).toBeUndefined();
  }
});

test('the name of a consumer contains its group and partition', () => {
  fc.assert(
    fc.property(anyText, fc.nat(64), (group, partition) => {
      expect(ownerOf(consumerName(group, partition, 'x1'))).toEqual({ group, partition });
    }),
  );
  for (const name of ['', 'bare-1', 'list~x', 'a~b~c']) expect(ownerOf(name)).toBeUndefined();
});
