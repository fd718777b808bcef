import { expect, test } from 'vitest';
import { inPlainWords } from '#shared/policy/decide/words.ts';
import { configWith, line } from '../world.ts';

/** VmState and reason of the VM "v", as status, decisions and explanations have them. */
const saidOf = ({ world }: ReturnType<typeof line>) => {
  const { state, reason } = world.placement.vms.get('v')!;
  return `${state} ${reason}`;
};

test('a VM without users, one whose users told no position, and one whose users fell silent have a reason each', () => {
  const l = line(2, configWith({ policy: { sessionTimeoutMs: 60_000 } }));
  l.vm('v', 's0');
  expect(saidOf(l)).toBe('idle nobody-attached');
  l.attach('v', 'u');
  expect(saidOf(l)).toBe('idle no-position');
  expect(inPlainWords(l.world.placement.explain('v', l.clock.now()), undefined)).toContain('reported a position');
  l.fix('v', 'u', 0);
  expect(saidOf(l)).toBe('settled home-is-best');
  l.pass(120_000);
  expect(saidOf(l)).toBe('idle users-silent');
});

test('a VM that an operator moves is moving because that was ordered, whether anybody uses it or not', () => {
  const l = line(2);
  l.vm('v', 's0');
  l.order('v', 's1');
  expect(saidOf(l)).toBe('moving ordered');
  l.attach('v', 'u');
  l.fix('v', 'u', 0);
  expect(saidOf(l)).toBe('moving ordered');
});

test('what is said of a VM that is held back does not read as if its own home were draining, silent or full', () => {
  const l = line(2);
  l.vm('v', 's0');
  l.attach('v', 'u');
  l.fix('v', 'u', 0);
  l.site(1, { draining: true });
  l.pass(1_000);
  l.fix('v', 'u', 1);
  expect(saidOf(l)).toBe('drifting better-site-draining');
  l.site(1, { slots: 0 });
  // What stands in the way is looked at again after half a minute.
  l.pass(30_000);
  expect(saidOf(l)).toBe('drifting better-site-full');
  // A home that is drained is another matter.
  l.site(0, { draining: true });
  expect(saidOf(l)).toBe('evacuating home-draining');
});
