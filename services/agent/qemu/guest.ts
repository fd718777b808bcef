/** Asking the helper in the guest over the VM's virtio-serial port; its protocol is described in deploy/guest. */
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { TagalongError } from '#shared/errors.ts';
import type { LanAddress } from '#shared/hypervisor/qemu/protocol.ts';

let lastId = 0;

/**
 * @param path the port's socket on this host
 * @param words a verb and its arguments
 * @returns what follows `ok`
 * @throws TagalongError GUEST_SILENT, GUEST_REFUSED
 */
export async function askGuest(path: string, words: readonly string[], answerMs = 5000): Promise<string> {
  const id = `${process.pid}.${++lastId}`;
  const socket = createConnection(path);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const timer = setTimeout(
    () =>
      reject(
        new TagalongError('GUEST_SILENT', `no answer to "${words[0]}" within ${answerMs} ms; does its helper run?`),
      ),
    answerMs,
  );
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      // Answers to somebody who has gone are still in the port.
      if (!line.startsWith(`${id} `)) continue;
      const answer = line.slice(id.length + 1).trimEnd();
      if (answer === 'ok' || answer.startsWith('ok ')) resolve(answer.slice(3));
      else reject(new TagalongError('GUEST_REFUSED', `${words.join(' ')}: ${answer.replace(/^error /, '')}`));
    }
  });
  socket.on('error', (cause) => reject(new TagalongError('GUEST_SILENT', 'its port is closed', { cause })));
  socket.on('close', () => reject(new TagalongError('GUEST_SILENT', 'its port was closed')));
  // A leading line end completes whatever half a line somebody before left behind.
  socket.write(`\n${[id, ...words].join(' ')}\n`);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

/** Has a guest take an address on one of its cards, and announce it. */
export async function takeAddress(
  path: string,
  mac: string,
  { address, prefix, gateway }: LanAddress,
  answerMs: number,
): Promise<void> {
  await askGuest(path, ['take', mac, `${address}/${prefix}`, gateway], answerMs);
}

/** Has a guest take its address as soon as the helper in it answers, for as long as that is wanted. */
export async function untilTaken(
  path: string,
  mac: string,
  lan: LanAddress,
  isWanted: () => Promise<boolean>,
): Promise<void> {
  while (await isWanted()) {
    try {
      return await takeAddress(path, mac, lan, 2000);
    } catch {
      await sleep(100);
    }
  }
}

/**
 * Waits until all connections of a guest have joined an address.
 * @param joinMs the longest wait
 * @returns how many have not: some clients do not accept announced addresses, and plain TCP has none
 */
export async function untilJoined(
  path: string,
  address: string,
  joinMs: number,
  abandoned: () => boolean,
): Promise<number> {
  for (const untilMs = performance.now() + joinMs; ; await sleep(20)) {
    const [joined = 0, total = 0, plain = 0] = (await askGuest(path, ['joined', address])).split(' ').map(Number);
    if (joined >= total || abandoned() || performance.now() > untilMs) return total - joined + plain;
  }
}

/** Has a guest take back the addresses of all its cards but one. */
export async function retractAllBut(path: string, mac: string): Promise<void> {
  for (const entry of (await askGuest(path, ['addresses'])).split(' ')) {
    const [card, address] = entry.split('=');
    if (address !== undefined && card !== mac) await askGuest(path, ['retract', address.split('/')[0]!]);
  }
}
