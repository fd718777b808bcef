/** The stretched LANs of a move take frames from the other site of that move alone. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { onTestBed } from '../testbed/needs.ts';

const MAIN = new URL('./tunnel.main.ts', import.meta.url).pathname;

onTestBed('the tunnel of a move', () => {
  test('takes frames from the other site, sent to the address of this move, and from nobody else', async () => {
    const hide = 'mount -t tmpfs none /run && exec "$@"';
    const words = ['-n', '-m', 'sh', '-c', hide, 'sh', process.execPath, MAIN];
    const counts = JSON.parse((await promisify(execFile)('unshare', words)).stdout);
    expect(counts).toEqual({
      'the peer': { newLan: 1, oldLan: 1 },
      'a stranger': { newLan: 0, oldLan: 0 },
      'the peer, to another address': { newLan: 0, oldLan: 0 },
      // Without the rules the kernel takes them from everybody.
      'a stranger, without rules': { newLan: 1, oldLan: 1 },
      // And with those of another move of the same VM.
      'a stranger, as the peer of the next move': { newLan: 1, oldLan: 1 },
      'the peer, once it is none': { newLan: 0, oldLan: 0 },
    });
  });
});
