/** `tagalong local` picks the ports of its programs. The output of a program shows at once that its port is taken. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { freePorts, onFreePorts } from '#deploy/local/loopback.ts';
import { findProgram } from '#deploy/local/programs.ts';
import { type Supervised, supervise } from '#deploy/local/supervisor.ts';
import { onNats } from '../servers/nats.ts';
import { onPrometheus } from '../servers/prometheus.ts';

const MAIN = new URL('../../deploy/cli/main.ts', import.meta.url).pathname;
const PROMETHEUS = new URL('../../deploy/monitoring/prometheus.yaml', import.meta.url).pathname;
const READY_MS = 60_000;

let folder: string;
let taken: Server;
let takenPort: number;
const running: Supervised[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagalong-port-'));
  taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  takenPort = (taken.address() as AddressInfo).port;
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop()));
  taken.close();
  await rm(folder, { recursive: true, force: true });
});

/** Starts a supervised program, and waits until it is ready. */
async function start(command: string, args: readonly string[], readyUrl: string, withinMs = READY_MS): Promise<void> {
  const one = supervise({ name: 'it', command, args, env: {}, readyUrl }, { printed() {}, ended() {} });
  running.push(one);
  await one.ready(withinMs);
}

const nats = async (port: number, httpPort: number) =>
  start(
    await findProgram('nats-server'),
    ['-a', '127.0.0.1', '-p', `${port}`, '-m', `${httpPort}`],
    `http://127.0.0.1:${httpPort}/healthz`,
  );

onNats('a port that is taken', () => {
  test('is replaced for NATS', async () => {
    const pick = vi.fn(freePorts).mockImplementationOnce(async () => [takenPort, ...(await freePorts(1))]);
    await onFreePorts(2, ([port, httpPort]) => nats(port!, httpPort!), pick);
    expect(pick).toHaveBeenCalledTimes(2);
  });

  test('fails NATS with PORT_UNAVAILABLE, also the port of its HTTP server', async () => {
    const [port] = await freePorts(1);
    await expect(nats(port!, takenPort)).rejects.toMatchObject({ code: 'PORT_UNAVAILABLE' });
  });

  test('fails a service with PORT_UNAVAILABLE', { timeout: READY_MS }, async () => {
    const config = join(folder, 'tagalong.yaml');
    const sites = 'sites: [{ site: west, lat: 52, lon: 4, slots: 4, uplinks: [{ provider: a, rateBps: 125000000 }] }]';
    await writeFile(config, `http: { host: 127.0.0.1, port: ${takenPort} }\n${sites}\n`);
    const starting = start(process.execPath, [MAIN, 'up', '--config', config], `http://127.0.0.1:${takenPort}/readyz`);
    await expect(starting).rejects.toMatchObject({ code: 'PORT_UNAVAILABLE' });
  });

  test('is the only reason for another attempt: onFreePorts throws another failure at once', async () => {
    const pick = vi.fn(freePorts);
    const program = await findProgram('nats-server');
    const failing = onFreePorts(1, () => start(program, ['--no-such-option'], 'http://127.0.0.1:1/', 1000), pick);
    await expect(failing).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
    expect(pick).toHaveBeenCalledTimes(1);
  });

  onPrometheus('with Prometheus', () => {
    test('fails with PORT_UNAVAILABLE', async () => {
      const args = [`--config.file=${PROMETHEUS}`, `--storage.tsdb.path=${folder}/data`];
      const at = `127.0.0.1:${takenPort}`;
      const program = await findProgram('prometheus');
      const starting = start(program, [...args, `--web.listen-address=${at}`], `http://${at}/-/ready`);
      await expect(starting).rejects.toMatchObject({ code: 'PORT_UNAVAILABLE' });
    });
  });
});
