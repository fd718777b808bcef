import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { begin, file, tagalong } from './cli.ts';

const TOKEN = 'a token of more than sixteen';

const SITES = `
sites:
  - { site: west, lat: 52, lon: 4, slots: 4, uplinks: [{ provider: a, rateBps: 125000000 }] }
  - { site: east, lat: 53, lon: 5, slots: 4, uplinks: [{ provider: a, rateBps: 125000000 }] }
`;
const VMS = `
vms:
  - vm: desk
    home: west
    spec: { ramBytes: 1000000000, dirtyRateBps: 1000000, workingSetBytes: 50000000 }
    sessions: [{ user: alice }]
`;

test('up runs a configuration until SIGTERM, requires the token, and logs on standard error', async () => {
  const config = await file('tagalong.yaml', `http: { port: 0, token: ${TOKEN} }\n${SITES}${VMS}`);
  const running = begin(['up', '--config', config]);
  const url = await running.url();

  const refused = await tagalong(['status', '--url', url]);
  expect(refused).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/^tagalong: UNAUTHORIZED: .*\n$/),
  });
  const known = await tagalong(['status', '--json'], { TAGALONG_URL: url, TAGALONG_TOKEN: TOKEN });
  expect(JSON.parse(known.stdout)).toMatchObject({
    sites: [
      { site: 'east', vms: 0 },
      { site: 'west', vms: 1 },
    ],
    vms: [{ vm: 'desk', home: 'west' }],
    migrations: [],
  });
  const shown = await tagalong(['status', '--url', url], { TAGALONG_TOKEN: TOKEN });
  expect(shown.stdout).toMatch(/^desk +west +/m);

  const { code, stdout, stderr } = await running.stop('SIGTERM');
  expect(code).toBe(0);
  expect(stdout).toBe(`${url}\n`);
  const logged = stderr.trimEnd().split('\n');
  expect(logged.map((line) => JSON.parse(line).msg)).toContain('VMs of the configuration are declared');
  expect(stderr).not.toContain('alice');
});

test('up and start report a taken port in one line', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  try {
    await once(holder, 'listening');
    const { port } = holder.address() as AddressInfo;
    const config = await file('tagalong.yaml', `http: { port: ${port} }\nlog: { level: silent }\n${SITES}`);
    for (const args of [
      ['up', '--config', config],
      ['start', '--port', `${port}`],
    ]) {
      const { code, stdout, stderr } = await tagalong(args);
      expect(stderr).toMatch(new RegExp(`^tagalong: PORT_UNAVAILABLE: .*${port}.*EADDRINUSE.*\n$`));
      expect(stdout).toBe('');
      expect(code).toBe(1);
    }
  } finally {
    holder.close();
  }
});

test('site lists, declares and removes sites of a running installation', async () => {
  const config = await file('sites.yaml', `http: { port: 0 }\n${SITES}`);
  const running = begin(['up', '--config', config]);
  const env = { TAGALONG_URL: await running.url() };

  const declared = await tagalong(
    ['site', 'declare', 'north', '--at', '60,5', '--slots', '3', '--uplink', 'b=1000'],
    env,
  );
  expect(declared).toMatchObject({ code: 0, stdout: expect.stringContaining('no-path: north has no provider') });
  expect(JSON.parse((await tagalong(['site', 'list', '--json'], env)).stdout)).toMatchObject({
    sites: [{ site: 'east' }, { site: 'north', slots: 3, by: 'operator' }, { site: 'west' }],
  });
  const drained = await tagalong(['drain', 'north'], env);
  expect(drained).toMatchObject({ code: 0, stdout: expect.stringContaining('tagalong drain north --off') });
  expect((await tagalong(['site', 'list'], env)).stdout).toMatch(/^north .* operator +draining$/m);
  await tagalong(['drain', 'north', '--off'], env);
  expect((await tagalong(['site', 'list'], env)).stdout).toMatch(/^north .* operator$/m);
  expect(await tagalong(['completion', 'sites'], env)).toMatchObject({ code: 0, stdout: 'east\nnorth\nwest\n' });
  expect(await tagalong(['site', 'remove', 'north'], env)).toMatchObject({ code: 0, stdout: 'north is removed.\n' });
  expect((await tagalong(['site', 'list'], env)).stdout).toContain('removed: north');
  expect(await tagalong(['site', 'declare', 'east', '--config', config], env)).toMatchObject({ code: 0 });
  expect(await tagalong(['site', 'declare', 'nowhere'], env)).toMatchObject({ code: 2 });
  await running.stop();
}, 120_000);
