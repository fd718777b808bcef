/** An operator declares, changes and removes sites over HTTP while all services run. */
import { describe, expect, test } from 'vitest';
import { beside, bodyOf, homeOf, logged, ownSites, pass, settle, siteNames, spec, store, up } from './sites-world.ts';

ownSites();

describe('a site that is declared while it runs', () => {
  test('is a home and a destination at once, also after a restart', async () => {
    const { ask, system } = await up('boston');
    expect(await ask('PUT', '/v1/sites/chicago', bodyOf('chicago'))).toEqual({
      status: 200,
      body: { site: 'chicago', warnings: [] },
    });
    await settle();
    expect(siteNames(system)).toEqual(['boston', 'chicago']);
    expect((await ask('PUT', '/v1/vms/web-1', { home: 'boston', spec })).status).toBe(204);
    await settle();
    expect((await ask('POST', '/v1/vms/web-1/moves', { to: 'chicago' })).status).toBe(202);
    await pass(120_000);
    expect(homeOf(system, 'web-1')).toBe('chicago');

    const again = await up('boston');
    await settle();
    expect(siteNames(again.system)).toEqual(['boston', 'chicago']);
    expect(logged('not in the configuration')).toMatchObject([{ site: 'chicago' }]);
    expect((await again.ask('POST', '/v1/vms/web-1/moves', { to: 'boston' })).status).toBe(202);
    await pass(120_000);
    expect(homeOf(again.system, 'web-1')).toBe('boston');
  });

  test('keeps the declared values over a restart; the log names the difference to the configuration', async () => {
    const { ask } = await up('boston', 'chicago');
    await ask('PUT', '/v1/sites/chicago', { ...bodyOf('chicago'), slots: 50 });
    const { ask: askAgain, system } = await up('boston', 'chicago');
    await settle();
    expect(system.placement.status().sites).toContainEqual(expect.objectContaining({ site: 'chicago', slots: 50 }));
    expect(logged('counts, not the configuration')).toMatchObject([{ site: 'chicago', differs: ['slots'] }]);
    await askAgain('PUT', '/v1/sites/chicago', bodyOf('chicago'));
    await up('boston', 'chicago');
    expect(logged('counts, not the configuration')).toHaveLength(1);
  });

  test('keeps the addresses of its uplinks, and its heartbeats do not have them', async () => {
    const { ask } = await up('boston');
    const uplinks = [{ provider: 'a', rateBps: 1e8, address: '198.51.100.10' }];
    expect((await ask('PUT', '/v1/sites/chicago', { ...bodyOf('chicago'), uplinks })).status).toBe(200);
    await settle();
    const { ask: askAgain, system } = await up('boston');
    await settle();
    expect((await askAgain('GET', '/v1/sites')).body.sites).toContainEqual(expect.objectContaining({ uplinks }));
    // A heartbeat with an address would be refused, and the site would be missing here.
    expect(siteNames(system)).toEqual(['boston', 'chicago']);
  });

  test('gives a warning if no path leads to another site', async () => {
    const { ask } = await up('boston');
    const uplinks = [{ provider: 'another', rateBps: 1e8 }];
    const { body } = await ask('PUT', '/v1/sites/chicago', { ...bodyOf('chicago'), uplinks });
    expect(body.warnings).toEqual([expect.stringContaining('no-path: chicago has no provider in common with boston')]);
    expect((await ask('GET', '/v1/sites')).body.warnings).toHaveLength(1);
    await up('boston');
    expect(logged('no-path')).toHaveLength(1);
  });

  test.each([
    ['no slots', { slots: -1 }],
    ['an unknown key', { color: 'blue' }],
    ['an uplink whose address is a name', { uplinks: [{ provider: 'a', rateBps: 1, address: 'host.example' }] }],
    ['an uplink whose address is of no one host', { uplinks: [{ provider: 'a', rateBps: 1, address: '0.0.0.0' }] }],
    ['a provider twice', { uplinks: Array(2).fill({ provider: 'a', rateBps: 1 }) }],
  ])('is refused with %s', async (_, part) => {
    const { ask } = await up('boston');
    const { status, body } = await ask('PUT', '/v1/sites/chicago', { ...bodyOf('chicago'), ...part });
    expect([status, body.error.code]).toEqual([400, 'EVENT_INVALID']);
    expect((await ask('PUT', '/v1/sites/no%20name', bodyOf('chicago'))).status).toBe(400);
    expect((await ask('GET', '/v1/sites')).body.sites).toHaveLength(1);
  });
});

describe('a site that is removed', () => {
  test('disappears from status, metrics and homes at once, and does not return after a restart', async () => {
    const { ask, system } = await up('boston', 'chicago');
    await settle();
    expect((await ask('GET', '/metrics')).body).toContain('site="chicago"');
    expect((await ask('DELETE', '/v1/sites/chicago')).status).toBe(204);
    await pass(30_000);
    expect(siteNames(system)).toEqual(['boston']);
    expect((await ask('GET', '/metrics')).body).not.toContain('site="chicago"');
    expect((await ask('PUT', '/v1/vms/web-1', { home: 'chicago', spec })).body.error.code).toBe('SITE_UNKNOWN');
    expect((await ask('DELETE', '/v1/sites/chicago')).body.error.code).toBe('SITE_UNKNOWN');

    const again = await up('boston', 'chicago');
    await pass(10_000);
    expect(siteNames(again.system), 'although it is configured').toEqual(['boston']);
    expect((await again.ask('GET', '/metrics')).body).not.toContain('site="chicago"');
    expect(logged('stays away')).toMatchObject([{ site: 'chicago' }]);
    await again.ask('PUT', '/v1/sites/chicago', bodyOf('chicago'));
    await settle();
    expect(siteNames(again.system)).toEqual(['boston', 'chicago']);
  });

  test('must have no VMs: the removal is refused until a drain has moved them', async () => {
    const { ask, system } = await up('boston', 'chicago');
    await ask('PUT', '/v1/vms/web-1', { home: 'chicago', spec });
    await settle();
    const { status, body } = await ask('DELETE', '/v1/sites/chicago');
    expect([status, body.error.code]).toEqual([409, 'SITE_IN_USE']);
    expect(body.error.message).toContain('it has 1 VMs; drain it first');
    await ask('POST', '/v1/sites/chicago/drain', { draining: true, confirm: 'chicago' });
    await pass(5_000);
    expect(
      (await ask('DELETE', '/v1/sites/chicago?force=true&confirm=chicago')).body.error.code,
      'a move is under way',
    ).toBe('SITE_IN_USE');
    await pass(120_000);
    expect((await ask('DELETE', '/v1/sites/chicago')).status).toBe(204);
    expect(homeOf(system, 'web-1')).toBe('boston');
  });

  test('by force leaves its VMs stranded until it is declared again, and the services report them', async () => {
    const { ask, system } = await up('boston', 'chicago');
    await ask('PUT', '/v1/vms/web-1', { home: 'chicago', spec });
    await settle();
    expect((await ask('DELETE', '/v1/sites/chicago?force=true&confirm=chicago')).status).toBe(204);
    await settle();
    expect(system.placement.status().vms).toMatchObject([{ vm: 'web-1', home: 'chicago', stranded: true }]);
    expect((await ask('GET', '/metrics')).body).toContain('tagalong_placement_vms_stranded 1');
    expect((await ask('GET', '/v1/sites')).body.removed).toMatchObject([{ site: 'chicago', stranded: ['web-1'] }]);
    expect(logged('VMs are stranded')).toMatchObject([{ site: 'chicago', vms: ['web-1'] }]);

    const again = await up('boston', 'chicago');
    await settle();
    expect((await again.ask('GET', '/v1/sites')).body.removed).toMatchObject([{ stranded: ['web-1'] }]);
    await pass(1_000);
    await again.ask('PUT', '/v1/sites/chicago', bodyOf('chicago'));
    await settle();
    expect((await again.ask('POST', '/v1/vms/web-1/moves', { to: 'boston' })).status).toBe(202);
    await pass(120_000);
    expect(again.system.placement.status().vms).toMatchObject([{ home: 'boston', stranded: false }]);
  });
});

describe('an order that empties a site', () => {
  const site = '/v1/sites/chicago';
  test.each([
    ['a drain', 'POST', `${site}/drain`, { draining: true }, 202],
    ['a removal by force', 'DELETE', `${site}?force=true`, undefined, 204],
    ['a declaration that drains', 'PUT', site, { ...bodyOf('chicago'), draining: true }, 200],
  ] as const)('%s has to name the site', async (_, method, path, body, done) => {
    const { ask, system } = await up('boston', 'chicago');
    await ask('PUT', '/v1/vms/web-1', { home: 'chicago', spec });
    await settle();
    const isDraining = async () =>
      (await ask('GET', '/v1/sites')).body.sites.find((one: { site: string }) => one.site === 'chicago').draining;
    const confirming = (confirm: string): [string, unknown] =>
      method === 'POST'
        ? [path, { ...body, confirm }]
        : [`${path}${path.includes('?') ? '&' : '?'}confirm=${confirm}`, body];
    for (const [path_, body_] of [[path, body] as const, confirming('boston')]) {
      const refused = await ask(method, path_, body_);
      expect([refused.status, refused.body.error.code]).toEqual([428, 'CONFIRMATION_MISSING']);
      expect(refused.body.error.message).toContain('1 VM ');
    }
    expect(await isDraining()).toBe(false);
    await pass(60_000);
    expect(homeOf(system, 'web-1')).toBe('chicago');
    expect((await ask(method, ...confirming('chicago'))).status).toBe(done);
    // A repeat changes nothing, so it needs no confirmation.
    if (method !== 'DELETE') expect((await ask(method, path, body)).status).toBe(done);
  });

  test('needs no confirmation where the site has no VMs, and none to end a drain', async () => {
    const { ask } = await up('boston', 'chicago');
    await settle();
    expect((await ask('POST', `${site}/drain`, { draining: true })).status).toBe(202);
    expect((await ask('POST', `${site}/drain`, { draining: false })).status).toBe(202);
    expect((await ask('DELETE', `${site}?force=true`)).status).toBe(204);
  });
});

describe('a migrator that stands by', () => {
  test('does not know the VMs of a site, so it asks for the name before each drain', async () => {
    const { ask } = await up('boston', 'chicago');
    await ask('PUT', '/v1/vms/web-1', { home: 'chicago', spec });
    await settle();
    const standby = await beside('boston', 'chicago');
    await settle();
    expect(standby.system.migrator.isLeader).toBe(false);
    const drain = (body: object) => standby.ask('POST', '/v1/sites/chicago/drain', { draining: true, ...body });
    const refused = await drain({});
    expect([refused.status, refused.body.error?.code]).toEqual([428, 'CONFIRMATION_MISSING']);
    expect((await ask('GET', '/v1/sites')).body.sites).toMatchObject([{ draining: false }, { draining: false }]);
    expect((await drain({ confirm: 'chicago' })).status).toBe(202);
  });
});

describe('an unreadable record of a site', () => {
  test('costs that site alone, and a new declaration replaces it', async () => {
    await store.put([
      { key: 'site/chicago', value: { v: 0, site: 'what' }, revision: 0 },
      { key: 'site/boston', value: 'garbage', revision: 0 },
    ]);
    const { ask, system } = await up('boston');
    await settle();
    expect(siteNames(system)).toEqual(['boston']);
    expect(logged('a record was set aside').map(({ key }) => key)).toContain('site/chicago');
    expect((await ask('PUT', '/v1/sites/chicago', bodyOf('chicago'))).status).toBe(200);
    await settle();
    expect(siteNames(system)).toEqual(['boston', 'chicago']);
  });
});
