/** A new site, or a site that moves, is near to resting users: their VM moves there. */
import { describe, expect, test } from 'vitest';
import { Placement } from '#shared/policy/placement.ts';
import { keepVm, reviveVm } from '#shared/policy/state/kept-vm.ts';
import { configWith, type Line, line, positionAt, UPLINKS } from '../world.ts';

const REPORT_MS = 3000;
const policies = ['nearest', 'tagalong'] as const;
type Policy = (typeof policies)[number];
const configOf = (name: Policy) => configWith({ policy: { name, siteSilentMs: 1e9 } });

/** Reports the same place of the user again and again. */
function stay(l: Line, place: number, reports = 100): void {
  for (let i = 0; i < reports; i++) {
    l.pass(REPORT_MS);
    l.fix('v', 'u', place);
  }
}

/** A VM that has settled at the best site, far from its user. */
function settled(policy: Policy): Line {
  const l = line(3, configOf(policy));
  l.vm('v', 's0');
  l.attach('v', 'u');
  stay(l, 4, 300);
  expect([l.homeOf('v'), l.stateOf('v')]).toEqual(['s2', 'settled']);
  return l;
}

/** The record of the VM. */
const recordOf = ({ world: { placement } }: Line) => keepVm(placement.vms.get('v')!, placement.sites);

/** Another process loads the VM from its record, while its user stays. @returns the destinations of its moves */
function movesAfterRestart(l: Line, policy: Policy, sites: readonly number[]): string[] {
  const { network, move, policy: settings, limits, ingest } = configOf(policy);
  const common = { network, policy: settings, limits, plausibility: ingest.plausibility };
  const next = new Placement({ ...common, move: { ...move, postCopy: false } });
  let nowMs = Math.round(l.clock.now());
  const { report } = l.world.placement.sites.get('s0')!;
  for (const i of sites) {
    const data = { ...report!, site: `s${i}`, ...positionAt(i), atMs: nowMs };
    next.apply({ type: 'site.reported.v1', data }, nowMs);
  }
  next.restore(reviveVm(recordOf(l), next.sites));
  const to: string[] = [];
  for (let i = 0; i < 30; i++) {
    nowMs += REPORT_MS;
    next.advance(nowMs);
    next.apply({ type: 'location.reported.v1', data: { vm: 'v', user: 'u', atMs: nowMs, ...positionAt(4) } }, nowMs);
    for (const decision of next.drain().decisions) if (decision.verdict === 'move') to.push(decision.to);
  }
  return to;
}

describe.each(policies)('under %s, a VM', (policy) => {
  test('moves to a new site near its user', () => {
    const l = settled(policy);
    l.world.declareSite({ site: 's4', ...positionAt(4), slots: 10, uplinks: UPLINKS });
    stay(l, 4);
    expect(l.homeOf('v')).toBe('s4');
  });

  test('moves to a site that moves near its user', () => {
    const l = settled(policy);
    l.site(0, positionAt(4));
    stay(l, 4);
    expect(l.homeOf('v')).toBe('s0');
  });

  test('moves after a restart to a site that is new since its record', () => {
    const l = settled(policy);
    expect(movesAfterRestart(l, policy, [0, 1, 2, 4]), 'with the new site').toContain('s4');
    expect(movesAfterRestart(l, policy, [0, 1, 2]), 'without it').toEqual([]);
  });

  test('does not change in a restart with the same sites', () => {
    const l = settled(policy);
    const { sites } = l.world.placement;
    expect(keepVm(reviveVm(recordOf(l), sites), sites)).toEqual(recordOf(l));
  });
});
