/** Guests and QEMUs answer too much, without end, never, or with nonsense. The agent fails in time, with a short error. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { askGuest, retractAllBut, untilJoined, untilTaken } from '#services/agent/guest.ts';
import { openQmp } from '#services/agent/qmp.ts';
import { PATIENTLY } from '../patience.ts';

/** Sends this piece again and again, until the socket closes. */
function flood(socket: Socket, piece: string): void {
  const more = () => {
    while (!socket.destroyed && socket.write(piece));
    socket.once('drain', more);
  };
  more();
}

let folder: string;
let path: string;
let server: Server;
/** The requests that have arrived, without their ids. */
let asked: string[];

/** Opens the guest's port. `answer` is called for each line that arrives. */
async function port(answer: (socket: Socket, id: string, verb: string) => void, greeting = ''): Promise<void> {
  server = createServer((socket) => {
    socket.on('error', () => {});
    if (greeting) socket.write(greeting);
    socket.on('data', (data) => {
      for (const line of data.toString().split('\n')) {
        if (line === '') continue;
        const [id, verb] = line.split(' ') as [string, string];
        asked.push(line.slice(id.length + 1));
        answer(socket, id, verb);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagalong-lies-'));
  path = join(folder, 'guest.sock');
  asked = [];
});
afterEach(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

describe('a guest', () => {
  test('cannot send a line without end', async () => {
    await port((socket) => flood(socket, 'a'.repeat(2 ** 20)));
    await expect(askGuest(path, ['take'], 30_000)).rejects.toMatchObject({ code: 'GUEST_ANSWER_INVALID' });
  });

  test('cannot send answers to other requests without end', async () => {
    await port((socket) => flood(socket, 'somebody.else ok\n'.repeat(1000)));
    await expect(askGuest(path, ['hello'], 30_000)).rejects.toMatchObject({ code: 'GUEST_ANSWER_INVALID' });
  });

  test('that never answers fails the request after its time limit', async () => {
    await port(() => {});
    await expect(askGuest(path, ['hello'], 50)).rejects.toMatchObject({ code: 'GUEST_SILENT' });
  });

  test('that refuses at length gives a short error without control characters', async () => {
    await port((socket, id) => socket.write(`${id} error \x1b[2J\x1b]0;pwned\x07 ${'A'.repeat(3000)}\n`));
    const error = await askGuest(path, ['take'], 2000).catch((e) => e);
    expect(error.code).toBe('GUEST_REFUSED');
    expect(error.message.length).toBeLessThan(600);
    expect(error.message).not.toMatch(/\p{Cc}/u);
  });

  test.each(['x y z', '9e307 0 -9e307', '0 0 1e309', '0 -1 0', '', '1', '99999999 0 0', '0 0 0 0', '0x1 1 1'])(
    'gives an invalid answer if its counts are "%s"',
    async (counts) => {
      await port((socket, id) => socket.write(`${id} ok ${counts}\n`));
      const joined = untilJoined(path, '10.0.0.1', 500, () => false);
      await expect(joined).rejects.toMatchObject({ code: 'GUEST_ANSWER_INVALID' });
    },
  );

  test('with missing joins after the time limit has its missing and plain connections counted', async () => {
    await port((socket, id) => socket.write(`${id} ok 1 3 2\n`));
    expect(await untilJoined(path, '10.0.0.1', 60, () => false)).toBe(4);
  });

  test('gives back at most eight addresses, and no invalid one', async () => {
    const entries = `x=10.0.0.1/24 y=no-address z=;reboot m=10.0.0.9/24 ${'x=10.0.0.2/24 '.repeat(200)}`;
    await port((socket, id, verb) => socket.write(verb === 'addresses' ? `${id} ok ${entries}\n` : `${id} ok\n`));
    await retractAllBut(path, 'm');
    const retracted = asked.filter((line) => line.startsWith('retract'));
    expect(retracted).toEqual(['retract 10.0.0.1', ...Array(4).fill('retract 10.0.0.2')]);
  });

  test('that refuses its address gets requests at growing intervals', async () => {
    await port((socket, id) => socket.write(`${id} error no\n`));
    const beganMs = performance.now();
    const lan = { address: '10.0.0.1', prefix: 24, gateway: '10.0.0.254' };
    await untilTaken(path, 'm', lan, async () => performance.now() - beganMs < 1500);
    expect(asked.length).toBeGreaterThan(1);
    expect(asked.length).toBeLessThan(8);
  });

  test('that boots slowly finds one request in its port', async () => {
    await port((socket, id) => setTimeout(() => socket.write(`${id} ok\n`), 2500));
    const lan = { address: '10.0.0.1', prefix: 24, gateway: '10.0.0.254' };
    await untilTaken(path, 'm', lan, async () => true);
    expect(asked).toHaveLength(1);
  });

  test('gets no request whose words contain blanks', async () => {
    await port((socket, id) => socket.write(`${id} ok\n`));
    for (const word of ['10.0.0.1 reboot', '10.0.0.1\nx reboot', '', '$(id)', 'a;b', 'x'.repeat(2000)]) {
      await expect(askGuest(path, ['retract', word])).rejects.toMatchObject({ code: 'EVENT_INVALID' });
    }
    expect(asked).toEqual([]);
  });
});

describe('a QEMU', () => {
  const greeting = '{"QMP": {}}\n';
  const ok = (socket: Socket, line: string) => {
    const { id } = JSON.parse(line) as { id: number };
    socket.write(`{"return": {}, "id": ${id}}\n`);
  };
  /** Starts a server that answers the negotiation of QMP. `then` answers all later commands. */
  async function qemu(then: (socket: Socket) => void): Promise<void> {
    server = createServer((socket) => {
      socket.on('error', () => {});
      socket.write(greeting);
      socket.on('data', (data) => {
        const line = data.toString();
        if (line.includes('qmp_capabilities')) ok(socket, line);
        else then(socket);
      });
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
  }

  test.each([
    ['no JSON', 'hello\n'],
    ['null', 'null\n'],
    ['a line without end', 'a'.repeat(3 * 2 ** 20)],
    ['an invalid error', '{"id": 2, "error": null}\n'],
  ])('that answers with %s fails the command with QEMU_GONE', async (_, text) => {
    await qemu((socket) => socket.write(text));
    const qmp = await openQmp(path);
    await expect(qmp.execute('query-status')).rejects.toMatchObject({ code: 'QEMU_GONE' });
    expect(qmp.isOpen).toBe(false);
  });

  test('that sends an event without a valid time gets the present time for it', async () => {
    await qemu((socket) => socket.write('{"event": "STOP"}\n{"event": "STOP", "timestamp": {"seconds": 1e300}}\n'));
    const qmp = await openQmp(path);
    const events: number[] = [];
    qmp.onEvent(({ atMs }) => events.push(Date.now() - atMs));
    void qmp.execute('query-status').catch(() => {});
    await expect.poll(() => events.length, PATIENTLY).toBe(2);
    for (const agoMs of events) expect(Math.abs(agoMs)).toBeLessThan(60_000);
    qmp.close();
  });

  test('that refuses at length gives a short error', async () => {
    await qemu((socket) => socket.write(`{"id": 2, "error": {"class": "X", "desc": "${'A'.repeat(100_000)}"}}\n`));
    const qmp = await openQmp(path);
    const error = await qmp.execute('stop').catch((e) => e);
    expect(error.name).toBe('QmpError');
    expect(error.message.length).toBeLessThan(600);
    qmp.close();
  });
});
