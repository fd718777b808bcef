/** A VM's packets reach the LAN of its site only with the VM's own MAC and IP address. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { onTestBed } from '../testbed/needs.ts';

const MAIN = new URL('./guard.main.ts', import.meta.url).pathname;

onTestBed('the guard of a tap', () => {
  test('passes what a VM sends as itself, and nothing that it sends as somebody else', async () => {
    const hide = 'mount -t tmpfs none /run && exec "$@"';
    const words = ['-n', '-m', 'sh', '-c', hide, 'sh', process.execPath, MAIN];
    const { arrived, learned } = JSON.parse((await promisify(execFile)('unshare', words)).stdout);
    expect(arrived).toEqual(['before it is guarded', 'before it is guarded, by ARP', 'itself', 'itself, by ARP']);
    // The LAN answers questions by ARP, and learns who asked: nobody else may ask.
    expect(learned).not.toContain('10.1.0.11');
  });
});
