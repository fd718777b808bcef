/** The guest of the test bed boots, and its helper follows its protocol. User networking needs no root, and carries no MPTCP. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, mkdtempSync, rmSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { freePorts } from '#deploy/local/loopback.ts';
import { isInPath } from './programs.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
const MACS = ['52:54:00:7a:00:01', '52:54:00:7a:00:02'] as const;
const BOOT_MS = 60_000;

/** A connection to the helper's port. */
class HelperClient {
  readonly #socket: Socket;
  readonly #lines: string[] = [];
  #rest = '';

  constructor(path: string) {
    this.#socket = createConnection(path).setEncoding('utf8');
    this.#socket.on('error', () => {});
    this.#socket.on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop()!;
      this.#lines.push(...lines);
    });
    this.#socket.write('\n');
  }

  write(text: string): void {
    this.#socket.write(text);
  }

  /** Waits for the next answer to the request with this ID. @returns the answer without the ID */
  async answer(id: string): Promise<string> {
    for (;;) {
      const line = this.#lines.shift();
      if (line?.startsWith(`${id} `)) return line.slice(id.length + 1);
      if (line === undefined) await sleep(5);
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

const programs = ['qemu-system-x86_64', 'apt-get', 'dpkg-deb'];
const none = process.env.CI === 'true' ? [] : programs.filter((program) => !isInPath(program));
const name = 'the guest of the test bed';

describe.skipIf(none.length > 0)(none.length > 0 ? `${name} (skipped: no ${none.join(', no ')} here)` : name, () => {
  let folder: string;
  let qemu: ChildProcess;
  let port: string;
  let echoPort: number;
  let helper: HelperClient;
  let lastId = 0;

  const ask = (request: string): Promise<string> => {
    const id = `t${++lastId}`;
    helper.write(`${id} ${request}\n`);
    return helper.answer(id);
  };

  beforeAll(async () => {
    execFileSync('sh', [`${ROOT}deploy/guest/build.sh`], { stdio: 'pipe' });
    folder = mkdtempSync(join(tmpdir(), 'tagalong-guest-'));
    port = join(folder, 'guest.sock');
    echoPort = (await freePorts(1))[0]!;
    const user = (id: string, net: string, more = ''): string[] => ['-netdev', `user,id=${id},net=${net}${more}`];
    qemu = spawn(
      'qemu-system-x86_64',
      [
        ...['-accel', 'tcg', '-M', 'q35', '-m', '128', '-nodefaults', '-no-user-config', '-display', 'none'],
        ...['-kernel', `${ROOT}build/guest/kernel`, '-initrd', `${ROOT}build/guest/initrd.img`],
        ...['-append', 'console=ttyS0 quiet panic=-1'],
        ...['-device', 'virtio-serial-pci', '-chardev', `socket,id=g,path=${port},server=on,wait=off`],
        ...['-device', 'virtserialport,chardev=g,name=org.tagalong.guest'],
        ...user('n0', '10.73.1.0/24', `,hostfwd=tcp:127.0.0.1:${echoPort}-10.73.1.15:7`),
        ...user('n1', '10.73.2.0/24'),
        ...MACS.flatMap((mac, i) => ['-device', `virtio-net-pci,netdev=n${i},mac=${mac}`]),
      ],
      { stdio: 'ignore' },
    );
    await vi.waitFor(() => accessSync(port), { timeout: BOOT_MS, interval: 20 });
    helper = new HelperClient(port);
    expect(await ask('hello')).toBe('ok 1');
  }, BOOT_MS + 60_000);

  afterAll(async () => {
    helper?.close();
    if (qemu !== undefined && qemu.exitCode === null) {
      const gone = once(qemu, 'exit');
      qemu.kill('SIGKILL');
      await gone;
    }
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });

  test('takes an address and gives it back; a repeat changes nothing', async () => {
    expect(await ask('addresses')).toBe('ok');
    for (let i = 0; i < 2; i++) expect(await ask(`take ${MACS[0]} 10.73.1.15/24 10.73.1.2`)).toBe('ok');
    expect(await ask('addresses')).toBe(`ok ${MACS[0]}=10.73.1.15/24`);
    expect(await ask(`take ${MACS[1].toUpperCase()} 10.73.2.15/24 10.73.2.2`)).toBe('ok');
    expect(await ask('addresses')).toBe(`ok ${MACS[0]}=10.73.1.15/24 ${MACS[1]}=10.73.2.15/24`);
    expect(await ask(`take ${MACS[1]} 10.73.1.15/24 10.73.2.2`)).toMatch(/^error 10\.73\.1\.15 is on eth0 already$/);
    for (let i = 0; i < 2; i++) expect(await ask('retract 10.73.2.15')).toBe('ok');
    expect(await ask('addresses')).toBe(`ok ${MACS[0]}=10.73.1.15/24`);
  });

  test('echoes, and counts a connection of plain TCP as such', async () => {
    await ask(`take ${MACS[0]} 10.73.1.15/24 10.73.1.2`);
    const client = createConnection(echoPort, '127.0.0.1').setEncoding('utf8');
    const echoed = once(client, 'data');
    client.write('Here I am');
    expect((await echoed)[0]).toBe('Here I am');
    expect(await ask('joined 10.73.1.15')).toBe('ok 0 0 1');
    client.destroy();
  });

  test('refuses an invalid request, and continues', async () => {
    for (const request of [
      '',
      'nonsense',
      '$(reboot)',
      '../hello',
      'take',
      'take 1 2 3',
      'joined 10.73.1',
      'retract *',
    ]) {
      expect(await ask(request)).toMatch(/^error ./);
    }
    expect(await ask(`take ${MACS[0]} 10.73.1.300/24 10.73.1.2`)).toMatch(/^error '300'/);
    expect(await ask('take 52:54:00:00:00:99 10.73.1.16/24 10.73.1.2')).toMatch(/^error no NIC has the MAC/);
    helper.write('`x` hello\n');
    expect(await helper.answer('?')).toMatch(/^error ./);
    expect(await ask('hello')).toBe('ok 1');
  });

  test('answers a new connection after half a line of the last one', async () => {
    for (let i = 0; i < 3; i++) {
      helper.write('left.over hello\nhalf a li');
      helper.close();
      helper = new HelperClient(port);
      expect(await ask('hello')).toBe('ok 1');
    }
  });

  test('dirties memory without a change to the filled memory', async () => {
    expect(await ask('checksum')).toMatch(/^error /);
    expect(await ask('fill 10000000')).toBe('ok');
    const before = await ask('checksum');
    expect(before).toMatch(/^ok [0-9a-f]{32}$/);
    expect(await ask('dirty 4000000 8000000')).toBe('ok');
    await expect
      .poll(async () => Number((await ask('dirty')).slice(3)), { timeout: 20_000 })
      .toBeGreaterThan(1_000_000);
    expect(await ask('dirty 0')).toBe('ok');
    expect(await ask('checksum')).toBe(before);
    expect(await ask('fill 999999999')).toMatch(/^error the guest has only \d+ bytes/);
    expect(await ask('checksum')).toBe(before);
  });
});
