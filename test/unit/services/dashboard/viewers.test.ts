/** Streams of viewers that read slowly. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createViewers } from '#services/dashboard/viewers.ts';
import type { Line } from '#services/dashboard/wire.ts';

test('a stream that has ended gets no more lines while its viewer has not read the last ones', async () => {
  const line = { kind: 'changes', atMs: 2, fromMs: 1, sites: [] } as unknown as Line;
  const viewers = createViewers({ picture: () => line, changes: () => line });
  const errors: unknown[] = [];
  const server = createServer((_, response) => {
    response.on('error', (error) => errors.push(error));
    viewers.add(response, { users: true, names: true, by: 'a', hasSignedIn: false });
    // More than the buffers of a connection take.
    response.write(Buffer.alloc(32 * 2 ** 20));
    response.end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').pause();
  socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
  try {
    await once(server, 'request');
    await sleep(1_000);
    expect(errors).toEqual([]);
    expect(viewers.size).toBe(1);
    socket.destroy();
    await expect.poll(() => viewers.size).toBe(0);
  } finally {
    socket.destroy();
    server.close();
  }
});
