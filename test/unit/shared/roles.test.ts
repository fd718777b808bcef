import { expect, test } from 'vitest';
import { ACCESS, type Access, mayUse, ROLES, roleOf } from '#shared/roles.ts';

test('each role may do what a lower one reads, and an admin everything', () => {
  const permitted = (role: (typeof ROLES)[number]) =>
    (Object.keys(ACCESS) as Access[]).filter((access) => mayUse(role, access));
  expect(ROLES.map(permitted)).toEqual([
    ['open', 'signed-in', 'report'],
    ['open', 'signed-in', 'read'],
    ['open', 'signed-in', 'read', 'operate'],
    ['open', 'signed-in', 'report', 'read', 'operate', 'administer'],
  ]);
  expect((Object.keys(ACCESS) as Access[]).filter((access) => mayUse(undefined, access))).toEqual([]);
});

const rules = [
  { claim: 'groups', value: 'phones', role: 'device' },
  { claim: 'groups', value: 'ops', role: 'operator' },
  { claim: 'scope', value: 'look', role: 'viewer' },
  { claim: 'realm_access.roles', value: 'root', role: 'admin' },
  { claim: 'https://id.example/roles', value: 'ops', role: 'operator' },
] as const;

test.each([
  [{ groups: ['phones'] }, 'device'],
  [{ groups: ['phones', 'ops'] }, 'operator'],
  [{ groups: 'ops' }, 'operator'],
  [{ scope: 'openid look' }, 'viewer'],
  [{ realm_access: { roles: ['root'] } }, 'admin'],
  [{ 'https://id.example/roles': ['ops'] }, 'operator'],
  [{ groups: ['opsx', 'op'], scope: 'looks' }, undefined],
  [{ groups: { ops: true } }, undefined],
  [{ groups: [['ops']] }, undefined],
  [{ groups: null, realm_access: 'roles' }, undefined],
  [{}, undefined],
])('the claims %j give the role %s', (claims, role) => {
  expect(roleOf(claims, rules)).toBe(role);
});

test('a claim that every object inherits gives no role', () => {
  expect(roleOf({}, [{ claim: 'constructor.name', value: 'Object', role: 'admin' }])).toBeUndefined();
});
