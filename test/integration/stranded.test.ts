/** A home is unknown, or a site with VMs is missing from the configuration. Only those VMs are affected. */
import { describe, expect, test } from 'vitest';
import { homeOf, logged, ownSites, pass, settle, spec, store, up } from './sites-world.ts';

ownSites();

describe('an unknown home', () => {
  test('is refused with a suggestion, and the VM is not declared', async () => {
    const { ask } = await up('boston', 'new-york');
    const { status, body } = await ask('PUT', '/v1/vms/ghost', { home: 'bostom', spec });
    expect([status, body.error.code]).toEqual([400, 'SITE_UNKNOWN']);
    expect(body.error.message).toContain('did you mean boston?');
    expect((await ask('DELETE', '/v1/vms/ghost')).body.error.code).toBe('VM_UNKNOWN');
    expect((await ask('PUT', '/v1/vms/ghost', { home: 'boston', spec })).status).toBe(204);
  });
});

describe('a site with a VM that is missing from the configuration', () => {
  test('leaves that VM alone stranded: all services start, and another VM moves', async () => {
    const before = await up('boston', 'new-york', 'chicago');
    for (const [vm, home] of [
      ['web-1', 'chicago'],
      ['web-2', 'boston'],
    ] as const) {
      expect((await before.ask('PUT', `/v1/vms/${vm}`, { home, spec })).status).toBe(204);
    }
    await settle();
    const { ask, system } = await up('boston', 'new-york');
    await settle();
    expect((await ask('GET', '/readyz')).status).toBe(200);
    expect(logged('a VM is stranded')).toMatchObject([{ vm: 'web-1', site: 'chicago' }]);
    expect((await ask('POST', '/v1/vms/web-2/moves', { to: 'new-york' })).status).toBe(202);
    await pass(120_000);
    expect(homeOf(system, 'web-2')).toBe('new-york');
  });

  test('has its VMs again when it is declared again', async () => {
    await (await up('boston', 'chicago')).ask('PUT', '/v1/vms/web-1', { home: 'chicago', spec });
    await settle();
    await up('boston');
    await settle();
    const { ask, system } = await up('boston', 'chicago');
    await settle();
    expect((await ask('POST', '/v1/vms/web-1/moves', { to: 'boston' })).status).toBe(202);
    await pass(120_000);
    expect(homeOf(system, 'web-1')).toBe('boston');
  });

  test('leaves no record of a VM that is retired meanwhile', async () => {
    await (await up('boston', 'chicago')).ask('PUT', '/v1/vms/web-1', { home: 'chicago', spec });
    await settle();
    const { ask, system } = await up('boston');
    expect((await ask('DELETE', '/v1/vms/web-1')).status).toBe(204);
    await settle();
    expect(system.placement.status().vms).toEqual([]);
    expect(await store.list('simulated/vm/')).toEqual([]);
    expect(await store.list('ingest/vm/')).toEqual([]);
  });
});

describe('a VM that runs already', () => {
  test('keeps its home if it is declared elsewhere, and the error names the request that moves it', async () => {
    const { ask, system } = await up('boston', 'new-york');
    expect((await ask('PUT', '/v1/vms/web-1', { home: 'boston', spec })).status).toBe(204);
    await settle();
    const { status, body } = await ask('PUT', '/v1/vms/web-1', { home: 'new-york', spec });
    expect([status, body.error.code]).toEqual([409, 'HOME_FIXED']);
    expect(body.error.message).toContain('POST /v1/vms/web-1/moves');
    expect((await ask('PUT', '/v1/vms/web-1', { home: 'boston', spec: { ...spec, ramBytes: 2e9 } })).status).toBe(204);
    expect(homeOf(system, 'web-1')).toBe('boston');
  });
});
