import { describe, expect, test } from 'vitest';
import { PERSONAL_VM, PersonalVms } from '#services/replay/personal-vms.ts';

const site = (name: string, lon: number, slots: number) => ({
  ...{ site: name, lat: 40, lon, slots },
  uplinks: [{ provider: 'a', rateBps: 1e8 }],
});
const fix = (user: string, lon: number, lat = 40) => ({ user, atMs: 1_000, lat, lon });

describe('personal VMs', () => {
  test('begin at the site nearest to the first position of their user', () => {
    const vms = new PersonalVms([site('west', -80, 5), site('east', -70, 5)]);
    expect(vms.enrol(fix('ann', -71))).toEqual({ vm: 'vm-ann', user: 'ann', home: 'east', spec: PERSONAL_VM });
    expect(vms.enrol(fix('ann', -80)), 'once a user').toBeUndefined();
    expect(vms.of('ann')).toBe('vm-ann');
    expect(vms.of('bob')).toBeUndefined();
  });

  test('begin at the next site if the nearest is full', () => {
    // Twelve near sites are full, so that the search has to widen.
    const full = Array.from({ length: 12 }, (_, i) => site(`full-${i}`, -70 + i / 100, 0));
    const vms = new PersonalVms([...full, site('far', -90, 1)]);
    expect(vms.enrol(fix('ann', -70))?.home).toBe('far');
    expect(vms.enrol(fix('bob', -70))).toBeUndefined();
    expect(vms.homeless).toBe(1);
    vms.enrol(fix('bob', -70));
    expect(vms.homeless, 'counted once a user').toBe(1);
  });

  test('do not begin at an impossible position', () => {
    const vms = new PersonalVms([site('west', -80, 5)]);
    expect(vms.enrol(fix('ann', 0, 0))).toBeUndefined();
    expect(vms.enrol(fix('ann', 0, 91))).toBeUndefined();
    expect(vms.enrol(fix('ann', -80))?.home).toBe('west');
  });
});
