/** Records the movements of a live system from a real NATS server, and simulates them. */
import { readFile, stat } from 'node:fs/promises';
import { constants, gunzipSync } from 'node:zlib';
import { connect } from 'nats';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Fix } from '#services/replay/traces/fix.ts';
import { openTrace } from '#services/replay/traces/trace.ts';
import type { Bus } from '#shared/bus/bus.ts';
import { parseConfig } from '#shared/config/load.ts';
import { envelop } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { openBus } from '#shared/open.ts';
import type { Comparison } from '#simulations/simulate.ts';
import { PATIENTLY } from '../patience.ts';
import { type NatsTestServer, onNats, startNats } from '../servers/nats.ts';
import { begin, file, type Running, tagalong } from './cli.ts';

const START_MS = Date.UTC(2026, 0, 1);
const SITES = 'site,lat,lon\nwest,52,4\neast,52,7\n';

/** Three users who go from west to east within two hours. */
const FIXES: readonly Fix[] = Array.from({ length: 360 }, (_, i) => {
  const [user, minute] = [i % 3, Math.floor(i / 3)];
  const lon = 4 + Math.min(3, Math.max(0, (minute - 20 * user) / 20));
  return { user: `user-${user}`, atMs: START_MS + minute * 60_000 + user, lat: 52, lon: Number(lon.toFixed(4)) };
});

onNats('a recording on NATS', () => {
  let server: NatsTestServer;
  let bus: Bus;
  let settings: string;
  beforeAll(async () => {
    server = await startNats();
    settings = `bus: { url: "${server.url}", partitions: 4 }\n`;
    bus = await openBus(parseConfig(settings, 'test'), createLog('silent'));
  });
  afterAll(async () => {
    await bus?.close();
    await server?.stop();
  });

  /** Publishes positions of users with two VMs each, so that each position is on the bus twice. */
  async function report(fixes: readonly Fix[], run: string): Promise<void> {
    const events = fixes.flatMap(({ user, ...fix }) =>
      ['desk', 'phone'].map((kind) => {
        const data = { vm: `${kind}-of-${user}`, user, ...fix };
        return envelop({ type: 'location.reported.v1', data }, `${run}:${data.vm}:${fix.atMs}`, '/test');
      }),
    );
    await bus.publish(events);
  }

  /** Starts a recording, and waits until it is subscribed. */
  async function recording(out: string, more = '', args: readonly string[] = []): Promise<Running> {
    const config = await file('tagalong.yaml', settings + more);
    const running = begin(['record', '--config', config, '--out', out, ...args]);
    await running.printed(/^recording to .*\n/m);
    return running;
  }

  /** The lines of a growing file, also of an unfinished gzip. */
  async function linesIn(path: string): Promise<string[]> {
    const content = await readFile(path);
    const text = path.endsWith('.gz') ? gunzipSync(content, { finishFlush: constants.Z_SYNC_FLUSH }) : content;
    return text.toString().split('\n').slice(0, -1);
  }

  async function fixesIn(path: string): Promise<Fix[]> {
    const fixes: Fix[] = [];
    for await (const batch of (await openTrace(path)).batches()) fixes.push(...batch);
    return fixes;
  }

  test('has each position from its start to its end, and simulates to the result of the original trace', async () => {
    const out = await file('trace.ndjson.gz', '');
    await report([{ user: 'early', atMs: START_MS, lat: 52, lon: 4 }], 'before');
    const running = await recording(out, 'ingest: { pseudonymKey: a key of more than sixteen }');
    await report(FIXES, 'kept');
    await vi.waitFor(async () => expect(await linesIn(out)).toHaveLength(2 * FIXES.length), PATIENTLY);
    const { code, stdout, stderr } = await running.stop('SIGTERM');
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^720 locations of 3 users and 6 VMs in [\d.]+ (ms|s), [\d.]+ kB in .*trace\.ndjson\.gz\n$/);
    await report([{ user: 'late', atMs: START_MS, lat: 52, lon: 4 }], 'after');

    // Each position is there twice, in order of time, because each user has two VMs.
    expect(await fixesIn(out)).toEqual(FIXES.flatMap((fix) => [fix, fix]));
    const sites = await file('sites.csv', SITES);
    const rows = FIXES.map(({ user, atMs, lat, lon }) => `${user},${atMs / 1000},${lat},${lon}\n`);
    const csv = await file('trace.csv', `user,t,lat,lon\n${rows.join('')}`);
    const [recorded, original] = await Promise.all(
      [out, csv].map(async (trace) => {
        const ended = await tagalong(['simulate', '--trace', trace, '--sites', sites, '--json', '-']);
        expect(ended.code, ended.stderr).toBe(0);
        return (JSON.parse(ended.stdout) as Comparison).runs[0]!;
      }),
    );
    const { duplicate, ...locations } = recorded!.locations;
    expect(duplicate).toBe(FIXES.length);
    expect({ ...recorded, locations }).toEqual(original);
    expect(original!.migrations.completed).toBe(3);
  });

  test('replaces users by pseudonyms', async () => {
    const out = await file('trace.ndjson', '');
    const running = await recording(out);
    await report(FIXES, 'disguised');
    await vi.waitFor(async () => expect(await linesIn(out)).toHaveLength(2 * FIXES.length), PATIENTLY);
    const { code, stderr } = await running.stop('SIGINT');
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('; users get pseudonyms of this recording alone\n');
    const text = await readFile(out, 'utf8');
    expect(text).not.toMatch(/user-\d|desk|phone/);
    const fixes = await fixesIn(out);
    const names = [...new Set(fixes.map(({ user }) => user))];
    expect(names).toHaveLength(3);
    expect(fixes.map(({ user, ...fix }) => ({ user: `user-${names.indexOf(user)}`, ...fix }))).toEqual(
      FIXES.flatMap((fix) => [fix, fix]),
    );
  });

  test('ends after --seconds, leaves no consumer on the server, and is readable by its owner only', async () => {
    const out = `${await file('x', '')}.ndjson`;
    const { code, stdout, stderr } = await (await recording(out, '', ['--seconds', '0.5'])).ended;
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^0 locations of 0 users and 0 VMs in .*, 0 B in .*\n$/);
    expect((await stat(out)).mode & 0o777).toBe(0o600);
    const connection = await connect({ servers: server.url });
    try {
      const manager = await connection.jetstreamManager();
      for (const stream of await server.streams()) {
        const consumers = await manager.consumers.list(stream).next();
        expect(consumers.map(({ name }) => name).filter((name) => name.includes('recorder'))).toEqual([]);
      }
    } finally {
      await connection.close();
    }
  });

  test('with a wrong file name, or with a bus in memory, is refused in one line', async () => {
    const config = await file('tagalong.yaml', settings);
    const refused = (args: readonly string[]) => tagalong(['record', ...args]);
    const out = await file('trace.csv', '');
    expect((await refused(['--config', config, '--out', out])).stderr).toMatch(
      /^tagalong: USAGE: --out .*trace\.csv: .*\.ndjson\.gz\n$/,
    );
    const memory = await file('memory.yaml', 'sites: []');
    expect((await refused(['--config', memory, '--out', `${out}.ndjson`])).stderr).toMatch(
      /^tagalong: CONFIG_INVALID: .*bus\.url: memory: .*\brecord\b/,
    );
  });
});
