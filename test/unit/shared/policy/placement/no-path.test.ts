/** No path leads to the better site: the VM stays, and all explanations name the reason. */
import { describe, expect, test } from 'vitest';
import { explanationText } from '#deploy/cli/output/explanation.ts';
import { faultIn } from '#shared/events/index.ts';
import { inPlainWords } from '#shared/policy/decide/words.ts';
import { line, SPEC } from '../world.ts';

/** A VM at `s0` whose user is at `s1`; the two sites have no provider in common. */
function apart() {
  const world = line(2);
  world.site(1, { uplinks: [{ provider: 'another', rateBps: 1e8 }] });
  world.vm('v', 's0');
  world.attach('v', 'u');
  for (let i = 0; i < 5; i++) {
    world.fix('v', 'u', 1);
    world.pass(10_000);
  }
  return world;
}

describe('a site without a path', () => {
  test('is the reason why the VM stays, in JSON and in words', () => {
    const { world, clock, decided } = apart();
    const explained = JSON.parse(JSON.stringify(world.placement.explain('v', clock.now())));
    expect(explained.reason).toBe('no-path');
    expect(explained.candidates).toContainEqual({
      site: 's1',
      servingUserMsPerS: expect.any(Number),
      rejected: 'no-path',
    });
    expect(inPlainWords(explained, undefined)).toContain('no network path leads there');
    expect(explanationText(explained, undefined)).toContain('no-path');
    expect(decided('move')).toEqual([]);
  });

  test('leaves the decisions of the VM valid', () => {
    const { fix, pass, decided } = apart();
    fix('v', 'u', 0);
    pass(60_000);
    expect(decided('stay').length).toBeGreaterThan(0);
    for (const data of decided())
      expect(faultIn('placement.decided.v1', JSON.parse(JSON.stringify(data)))).toBeUndefined();
  });
});

describe('an unknown home', () => {
  test('is explained as such, and a move away from it is refused', () => {
    const { world, clock, attach, fix } = line(2);
    const declared = { vm: 'v', atMs: clock.now(), home: 'atlantis', spec: SPEC };
    world.placement.apply({ type: 'vm.declared.v1', data: declared }, clock.now());
    attach('v', 'u');
    fix('v', 'u', 1);
    const explained = JSON.parse(JSON.stringify(world.placement.explain('v', clock.now())));
    expect([explained.home, explained.reason, explained.candidates]).toEqual(['atlantis', 'home-unknown', []]);
    expect(explanationText(explained, undefined)).toContain('stranded at atlantis');
    expect(() => world.placement.order('v', 's1', clock.now())).toThrow(
      expect.objectContaining({ code: 'MOVE_REFUSED' }),
    );
  });
});
