import { expect, test } from 'vitest';
import { inPlainWords } from '#shared/policy/decide/words.ts';
import { configWith, line } from '../world.ts';

/** The state and the reason of VM `v`, as in status, decisions and explanations. */
const stateAndReason = ({ world }: ReturnType<typeof line>) => {
  const { state, reason } = world.placement.vms.get('v')!;
  return `${state} ${reason}`;
};

test('a VM without users, without positions, and with silent users has a different reason each time', () => {
  const l = line(2, configWith({ policy: { sessionTimeoutMs: 60_000 } }));
  l.vm('v', 's0');
  expect(stateAndReason(l)).toBe('idle nobody-attached');
  l.attach('v', 'u');
  expect(stateAndReason(l)).toBe('idle no-position');
  expect(inPlainWords(l.world.placement.explain('v', l.clock.now()), undefined)).toContain('reported a position');
  l.fix('v', 'u', 0);
  expect(stateAndReason(l)).toBe('settled home-is-best');
  l.pass(120_000);
  expect(stateAndReason(l)).toBe('idle users-silent');
});

test('a VM that an operator moves has the reason "ordered", with and without users', () => {
  const l = line(2);
  l.vm('v', 's0');
  l.order('v', 's1');
  expect(stateAndReason(l)).toBe('moving ordered');
  l.attach('v', 'u');
  l.fix('v', 'u', 0);
  expect(stateAndReason(l)).toBe('moving ordered');
});

test('the reason of a blocked VM distinguishes the better site from its home', () => {
  const l = line(2);
  l.vm('v', 's0');
  l.attach('v', 'u');
  l.fix('v', 'u', 0);
  l.site(1, { draining: true });
  l.pass(1_000);
  l.fix('v', 'u', 1);
  expect(stateAndReason(l)).toBe('drifting better-site-draining');
  l.site(1, { slots: 0 });
  // A blocked VM is evaluated again after half a minute.
  l.pass(30_000);
  expect(stateAndReason(l)).toBe('drifting better-site-full');
  // A draining home has another reason.
  l.site(0, { draining: true });
  expect(stateAndReason(l)).toBe('evacuating home-draining');
});
