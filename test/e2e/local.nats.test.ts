/** `tagalong local` runs the deployment of Compose on loopback: a cluster of NATS servers, all services, Prometheus. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'nats';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { onlyLong } from '../long.ts';
import { onNats } from '../servers/nats.ts';
import { onPrometheus } from '../servers/prometheus.ts';
import { begin, file, type Running, tagalong } from './cli.ts';

const PATIENTLY = { timeout: 300_000, interval: 1000 };
const deployed = new URL('../../deploy/compose/tagalong.nats.yaml', import.meta.url).pathname;

interface Process {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
}

let folder: string;
const begun: Running[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagalong-local-test-'));
});
afterEach(async () => {
  await Promise.all(begun.splice(0).map((running) => running.stop('SIGKILL')));
  // Its programs end with it, but a little later, and may still write.
  await rm(folder, { recursive: true, force: true, maxRetries: 30, retryDelay: 100 });
});

/** Starts `tagalong local` with its files in the folder of the test. */
async function local(): Promise<{ running: Running; processes: Process[]; url(name: string): string }> {
  const text = (await readFile(deployed, 'utf8')).concat('\npolicy: { dwellMs: 500 }\n');
  const args = ['local', '--json', '--config', await file('tagalong.yaml', text)];
  const running = begin(args, { TMPDIR: folder });
  begun.push(running);
  const line = await running.printed(/^(\{"processes":.*\})\n/m);
  const { processes } = JSON.parse(line) as { processes: Process[] };
  return { running, processes, url: (name) => processes.find((one) => one.name === name)!.url };
}

const isAlive = ({ pid }: Process) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

onNats('the deployment on loopback', () => {
  onPrometheus('with Prometheus', () => {
    test('becomes ready, follows a user, survives a killed server, is monitored, and leaves no file', {
      timeout: 1_500_000,
    }, async () => {
      const { running, processes, url } = await local();
      expect(processes.map(({ name }) => name)).toEqual([
        ...['nats-1', 'nats-2', 'nats-3'],
        ...['ingest', 'placement-1', 'placement-2', 'migrator-1', 'migrator-2', 'monitor', 'dashboard', 'prometheus'],
      ]);
      expect(processes.filter(isAlive)).toEqual(processes);
      const [run] = await readdir(folder);
      const token = (await readFile(join(folder, run!, 'admin.token'), 'utf8')).trim();
      const logs = processes.map(({ name }) => `${name}.log`).filter((log) => log !== 'prometheus.log');
      expect(await readdir(join(folder, run!))).toEqual(expect.arrayContaining(logs));
      expect(await readFile(join(folder, run!, 'nats-1.log'), 'utf8')).toContain('Server is ready');
      const { auth } = JSON.parse(await readFile(join(folder, run!, 'tagalong-operator.yaml'), 'utf8')).bus;
      const anonymous = connect({ servers: processes[0]!.url, reconnect: false, timeout: 5000 });
      await expect(anonymous).rejects.toMatchObject({ code: 'AUTHORIZATION_VIOLATION' });
      const ask = async (method: string, path: string, body: object) => {
        const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
        const response = await fetch(url('ingest') + path, { method, headers, body: JSON.stringify(body) });
        expect(response.status, await response.clone().text()).toBeLessThan(300);
      };
      const homeOf = async (name: string) => {
        const headers = { authorization: `Bearer ${token}` };
        const asked = ['placement-1', 'placement-2'].map(async (placement) => {
          const { vms } = (await (await fetch(`${url(placement)}/v1/status`, { headers })).json()) as {
            vms: { vm: string; home: string }[];
          };
          return vms;
        });
        return (await Promise.all(asked)).flat().find(({ vm }) => vm === name)?.home;
      };
      const toNewYork = (user: string) => ask('POST', '/v1/locations', { user, lat: 40.74, lon: -74.0 });

      await toNewYork('alice');
      await vi.waitFor(async () => expect(await homeOf('desktop-1')).toBe('new-york'), PATIENTLY);

      const victim = processes.find(({ name }) => name === 'nats-2')!;
      process.kill(victim.pid, 'SIGKILL');
      const spec = { ramBytes: 1e9, dirtyRateBps: 1e6, workingSetBytes: 1e7 };
      await vi.waitFor(() => ask('PUT', '/v1/vms/desktop-2', { home: 'boston', spec }), PATIENTLY);
      await vi.waitFor(() => ask('PUT', '/v1/vms/desktop-2/sessions/bob', {}), PATIENTLY);
      await vi.waitFor(async () => {
        await toNewYork('bob');
        expect(await homeOf('desktop-2')).toBe('new-york');
      }, PATIENTLY);

      // The killed server starts again, as with Compose, and joins the cluster.
      await running.printed(/^nats-2 +ended/m);
      await vi.waitFor(async () => {
        const login = { user: auth.user, pass: auth.password };
        const nc = await connect({ servers: victim.url, ...login, reconnect: false, timeout: 1000 });
        const { cluster } = await (await nc.jetstreamManager()).streams.info('tagalong_events');
        await nc.close();
        expect([cluster?.leader, ...cluster!.replicas!.map(({ name }) => name)].toSorted()).toEqual([
          'nats-1',
          'nats-2',
          'nats-3',
        ]);
        expect(cluster!.replicas!.filter(({ current }) => !current)).toEqual([]);
      }, PATIENTLY);

      const count = async (expr: string) => {
        const response = await fetch(`${url('prometheus')}/api/v1/query?${new URLSearchParams({ query: expr })}`);
        const { data } = (await response.json()) as { data: { result: { value: [number, string] }[] } };
        return Number(data.result[0]?.value[1] ?? 0);
      };
      await vi.waitFor(async () => expect(await count('count(up == 1)')).toBe(7), PATIENTLY);
      expect(await count('count(up == 0)')).toBe(0);
      await vi.waitFor(
        async () => expect(await count('sum(tagalong_migrations_total{outcome="completed"})')).toBe(2),
        PATIENTLY,
      );
      expect(await count('sum(tagalong_migrator_on_duty)')).toBe(1);

      expect((await running.stop('SIGTERM')).code).toBe(0);
      expect(processes.filter(isAlive)).toEqual([]);
      expect(await readdir(folder)).toEqual([]);
    });

    onlyLong(() => {
      test('ends all its processes when it is killed', { timeout: 500_000 }, async () => {
        const { running, processes } = await local();
        await running.stop('SIGKILL');
        await vi.waitFor(() => expect(processes.filter(isAlive)).toEqual([]), PATIENTLY);
      });
    });
  });
});

test('a configuration for other servers is refused', async () => {
  const config = await file(
    'tagalong.yaml',
    'bus: { url: "nats://10.0.0.1:4222" }\nstore: { url: "nats://10.0.0.1:4222" }\n',
  );
  const { code, stderr, stdout } = await tagalong(['local', '--config', config]);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(/^tagalong: CONFIG_INVALID: .*bus\.url: .*; give nats:.*\n$/);
});
