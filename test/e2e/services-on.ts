/** Each service runs as its own process, on each server of bus and store. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { deadLetter } from '#shared/bus/dead-letter.ts';
import { parseConfig } from '#shared/config/load.ts';
import { TagalongError } from '#shared/errors.ts';
import { type Event, envelop } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { openBus } from '#shared/open.ts';
import { PATIENTLY } from '../patience.ts';
import { type Collector, startCollector } from '../servers/otlp.ts';
import { begin, file, type Running, tagalong } from './cli.ts';

const settings = (url: string, otlpUrl: string) => `
tracing: { otlpUrl: "${otlpUrl}" }
bus: { url: "${url}", partitions: 4 }
store: { url: "${url}" }
http: { port: 0, token: a token of more than sixteen }
heartbeatMs: 500
policy: { name: never, siteSilentMs: 10000 }
limits: { movesPerSite: 4, movesPerPath: 4 }
sites:
  - { site: west, lat: 52, lon: 4, slots: 8, uplinks: [{ provider: a, rateBps: 125000000 }] }
  - { site: east, lat: 53, lon: 5, slots: 8, uplinks: [{ provider: a, rateBps: 125000000 }] }
vms: [${['desk-1', 'desk-2', 'desk-3', 'desk-4', 'desk-5', 'desk-6']
  .map(
    (vm) =>
      `{ vm: ${vm}, home: west, spec: { ramBytes: 100000000, dirtyRateBps: 1000000, workingSetBytes: 5000000 }, sessions: [{ user: alice }] }`,
  )
  .join(', ')}]
`;

/** @param start starts the server */
export function servicesOn(start: () => Promise<{ readonly url: string; stop(): Promise<void> }>): void {
  let server: Awaited<ReturnType<typeof start>>;
  let collector: Collector;
  beforeAll(async () => {
    collector = await startCollector();
    server = await start();
  }, 90_000);
  afterAll(async () => {
    await server?.stop();
    await collector?.stop();
  });

  test('started in any order, they share the work, answer as one, and one takes over from another', {
    timeout: 180_000,
  }, async () => {
    const config = await file('tagalong.yaml', settings(server.url, collector.url));
    // Ingest starts first, before any subscriber.
    const ingest = begin(['ingest', '--config', config]);
    const placements = [begin(['placement', '--config', config]), begin(['placement', '--config', config])];
    const migrators = [begin(['migrator', '--config', config]), begin(['migrator', '--config', config])];
    const monitor = begin(['monitor', '--config', config]);
    const all: Running[] = [...placements, ...migrators];
    const urls = await Promise.all(all.map((running) => running.url()));
    await Promise.all([ingest.url(), monitor.url()]);
    const env = { TAGALONG_URL: urls.join(), TAGALONG_TOKEN: 'a token of more than sixteen' };
    const json = async (...args: string[]) => JSON.parse((await tagalong([...args, '--json'], env)).stdout);

    await vi.waitFor(async () => {
      const { vms, sites, partitions } = await json('status');
      expect(vms.map(({ vm }: { vm: string }) => vm)).toEqual([
        'desk-1',
        'desk-2',
        'desk-3',
        'desk-4',
        'desk-5',
        'desk-6',
      ]);
      expect(partitions).toEqual({ held: [0, 1, 2, 3], of: 4 });
      expect(sites).toMatchObject([
        { site: 'east', vms: 0 },
        { site: 'west', vms: 6 },
      ]);
    }, PATIENTLY);

    // One placement reports its own VMs, and what is missing.
    const alone = await tagalong(['status'], { ...env, TAGALONG_URL: urls[0]! });
    expect(alone.code).toBe(0);
    expect(alone.stdout).toMatch(/^missing: VMs on 2 of 4 partitions(.|\n)*^missing: moves: /m);
    const some = await tagalong(['status'], { ...env, TAGALONG_URL: [urls[0], urls[2], urls[3]].join() });
    expect(some.stdout).toContain('missing: VMs on 2 of 4 partitions');

    const onDuty = async () => {
      const found = await Promise.all(
        migrators.map(async (running) => {
          const headers = { authorization: `Bearer ${env.TAGALONG_TOKEN}` };
          const answer = await fetch(`${await running.url()}/v1/migrations`, { headers }).catch(() => undefined);
          return ((await answer?.json()) as { onDuty?: boolean } | undefined)?.onDuty ?? false;
        }),
      );
      return found;
    };
    expect((await onDuty()).toSorted()).toEqual([false, true]);

    // The owner of a VM explains it, and the other placement refuses.
    const explained = await Promise.all(
      urls.slice(0, 2).map(async (url) => {
        const headers = { authorization: `Bearer ${env.TAGALONG_TOKEN}` };
        const answer = await fetch(`${url}/v1/vms/desk-1/explanation`, { headers });
        return [answer.status, ((await answer.json()) as { error?: { code: string } }).error?.code];
      }),
    );
    expect(explained.toSorted()).toEqual([
      [200, undefined],
      [421, 'HELD_ELSEWHERE'],
    ]);

    // The command line finds the owner of a VM, and the leading migrator.
    for (const vm of ['desk-1', 'desk-2', 'desk-3']) {
      expect((await json('explain', vm)).vm).toBe(vm);
      expect(await json('migrate', vm, '--to', 'east')).toEqual({ vm, to: 'east' });
    }
    await vi.waitFor(async () => {
      const { vms } = await json('status');
      expect(vms.filter(({ home }: { home: string }) => home === 'east')).toHaveLength(3);
    }, PATIENTLY);
    const unknown = await tagalong(['explain', 'nobody'], env);
    expect(unknown.stderr).toMatch(/^tagalong: VM_UNKNOWN: /);

    // After a kill of the leader, the other migrator moves the VMs.
    const active = (await onDuty()).indexOf(true);
    await migrators[active]!.stop('SIGKILL');
    await vi.waitFor(async () => expect((await onDuty())[1 - active]).toBe(true), PATIENTLY);
    await json('drain', 'west', '--yes');
    await vi.waitFor(
      async () => {
        const { sites } = await json('status');
        expect(sites).toMatchObject([
          { site: 'east', vms: 6 },
          { site: 'west', vms: 0, draining: true },
        ]);
      },
      { ...PATIENTLY, timeout: 60_000 },
    );

    // The home of a VM changes before its move has ended.
    await vi.waitFor(async () => {
      const metrics = await (await fetch(`${await monitor.url()}/metrics`)).text();
      expect(/^tagalong_migrations_total.*$/m.exec(metrics)?.[0]).toMatch(/outcome="completed".* 6$/);
    }, PATIENTLY);
    for (const running of [ingest, monitor, ...placements, migrators[1 - active]!]) {
      const { code, stdout } = await running.stop('SIGTERM');
      expect([code, stdout]).toEqual([0, `${await running.url()}\n`]);
    }
    // Each move is one trace over all processes.
    const moves = collector.spans.filter(({ name }) => name === 'move');
    expect(moves.map(({ attributes }) => attributes['tagalong.outcome'])).toEqual(Array(6).fill('completed'));
    for (const { traceId, spanId } of moves) {
      const parts = collector.spans.filter((span) => span.traceId === traceId && span.parentSpanId === spanId);
      expect(parts.map(({ name }) => name)).toEqual(expect.arrayContaining(['decide', 'queue', 'memory', 'switch']));
    }
  });

  test('all services in one process have the same state after a restart', { timeout: 120_000 }, async () => {
    const text = settings(server.url, collector.url)
      .replaceAll('desk-', 'shelf-')
      .replace('{ url', '{ prefix: other, url');
    const config = await file('tagalong.yaml', text.replace('store: { url', 'store: { prefix: other, url'));
    const env = { TAGALONG_TOKEN: 'a token of more than sixteen' };
    const homes = async (url: string) => {
      const { stdout } = await tagalong(['status', '--json', '--url', url], env);
      return (JSON.parse(stdout).vms as { vm: string; home: string }[]).map(({ vm, home }) => `${vm} ${home}`);
    };
    const first = begin(['up', '--config', config]);
    await vi.waitFor(async () => expect(await homes(await first.url())).toContain('shelf-6 west'), PATIENTLY);
    const { code } = await tagalong(['migrate', 'shelf-6', '--to', 'east', '--url', await first.url()], env);
    expect(code).toBe(0);
    await vi.waitFor(async () => expect(await homes(await first.url())).toContain('shelf-6 east'), PATIENTLY);
    expect((await first.stop()).code).toBe(0);
    const second = begin(['up', '--config', config]);
    const url = await second.url();
    await vi.waitFor(async () => expect(await homes(url)).toHaveLength(6), PATIENTLY);
    expect(await homes(url)).toEqual([1, 2, 3, 4, 5, 6].map((n) => `shelf-${n} ${n === 6 ? 'east' : 'west'}`));
    expect((await second.stop()).code).toBe(0);
  });

  test('dead letters are listed, published again, and then deleted', { timeout: 60_000 }, async () => {
    const text = settings(server.url, collector.url);
    const config = await file('tagalong.yaml', text);
    const monitor = begin(['monitor', '--config', config]);
    await monitor.url();
    const bus = await openBus(parseConfig(text, 'test'), createLog('silent'));
    const again: Event[] = [];
    await bus.subscribe({ group: 'test', types: ['location.reported.v1'] }, async (batch) => {
      again.push(...batch.map(({ event }) => event));
    });
    const data = { vm: 'desk-9', user: 'alice', atMs: Date.now(), lat: 52.5, lon: 4.5 };
    const location = envelop({ type: 'location.reported.v1', data }, 'loc:desk-9', '/test');
    await bus.publish([deadLetter(location, 'placement', new TagalongError('STORE_CONFLICT', 'a test'))!]);

    const listed = async () =>
      JSON.parse((await tagalong(['dead-letters', 'list', '--config', config, '--json'])).stdout);
    await vi.waitFor(
      async () => expect(await listed()).toMatchObject([{ key: 'desk-9', code: 'STORE_CONFLICT' }]),
      PATIENTLY,
    );
    const table = await tagalong(['dead-letters', 'list', '--config', config, '--vm', 'desk-9']);
    expect(table.stdout).toMatch(/STORE_CONFLICT +location\.reported\.v1 +desk-9 +a test/);
    expect(table.stdout).not.toMatch(/alice|52\.5/);
    const { stdout, code } = await tagalong(['dead-letters', 'replay', '--config', config, '--code', 'STORE_CONFLICT']);
    expect([code, stdout]).toEqual([0, '1 event published again.\n']);
    await vi.waitFor(() => expect(again.map((event) => event.data)).toEqual([data]), PATIENTLY);
    expect(await listed()).toEqual([]);
    await bus.close();
    await monitor.stop();
  });
}
