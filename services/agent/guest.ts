/**
 * Requests to the helper in the guest over the VM's virtio-serial port (deploy/guest/README.md describes the protocol). The agent
 * does not trust the guest: it reads bounded answers only.
 */
import { createConnection, isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { TagalongError } from '#shared/errors.ts';
import type { LanAddress } from '#shared/hypervisor/qemu/protocol.ts';
import { foreignText } from '#shared/text.ts';
import { readLines } from './lines.ts';

/** The longest answer, and the most bytes with older answers that are still in the port. */
const LIMITS = { lineBytes: 4096, allBytes: 16 * 4096 };
/** The helper splits a line at white space, so a word must have none. */
const WORD = /^[\w.:/=+-]{1,1024}$/;
/** The most addresses of a guest that are read. */
const MOST_ADDRESSES = 8;
const MOST_CONNECTIONS = 1_000_000;
/** Pauses between two requests grow by this factor up to the maximum: so a guest that never complies gets ever fewer requests. */
const GROWTH = 1.5;
const MOST_PAUSE_MS = 5_000;
/**
 * A booting guest answers once its helper runs. Until then requests queue in its port, even after their time-out. So the agent
 * sends few of them: a slow guest would have to answer all old requests before the next one.
 */
const BOOT_MS = 60_000;

/** A guest on a busy host, whose memory has just come over, takes its time for the first answer. */
const ANSWER_MS = 10_000;

let lastId = 0;

/**
 * Sends one request, and waits for its answer.
 * @param path the port's socket on this host
 * @param words a verb and its arguments
 * @returns what follows `ok`; one line without control characters
 * @throws TagalongError EVENT_INVALID for words with invalid characters, GUEST_SILENT, GUEST_REFUSED, GUEST_ANSWER_INVALID
 */
export async function askGuest(path: string, words: readonly string[], answerMs = ANSWER_MS): Promise<string> {
  if (words.length === 0 || !words.every((word) => typeof word === 'string' && WORD.test(word))) {
    throw new TagalongError('EVENT_INVALID', 'words: give a verb and its arguments, a list of words without spaces');
  }
  const id = `${process.pid}.${++lastId}`;
  const socket = createConnection(path);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const timer = setTimeout(
    () =>
      reject(
        new TagalongError(
          'GUEST_SILENT',
          `no answer to "${words[0]}" within ${answerMs} ms; check that tagalong-guest runs in the guest`,
        ),
      ),
    answerMs,
  );
  readLines(socket, LIMITS, (line) => {
    // Skips answers to earlier requests that have timed out.
    if (!line.startsWith(`${id} `)) return;
    const answer = foreignText(line.slice(id.length + 1), LIMITS.lineBytes);
    if (answer === 'ok' || answer.startsWith('ok ')) return resolve(answer.slice(3));
    const why = foreignText(answer.replace(/^error /, ''));
    reject(new TagalongError('GUEST_REFUSED', `${foreignText(words.join(' '))}: ${why}`));
  });
  socket.on('error', (cause: NodeJS.ErrnoException) => {
    // A system error has a code; an error of readLines has none.
    if (cause.code !== undefined)
      reject(
        new TagalongError(
          'GUEST_SILENT',
          'the port of the helper is closed; check that tagalong-guest runs in the guest',
          { cause },
        ),
      );
    else
      reject(
        new TagalongError(
          'GUEST_ANSWER_INVALID',
          `the answer of tagalong-guest to "${words[0]}" is wrong: ${cause.message}; update the helper in the guest`,
          { cause },
        ),
      );
  });
  socket.on('close', () =>
    reject(
      new TagalongError(
        'GUEST_SILENT',
        'the port of the helper was closed before its answer; check that tagalong-guest runs in the guest',
      ),
    ),
  );
  // A leading line end completes half a line that an earlier agent may have left.
  socket.write(`\n${[id, ...words].join(' ')}\n`);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

/** Orders a guest to take an address on one of its network cards, and to announce it. */
export async function takeAddress(
  path: string,
  mac: string,
  { address, prefix, gateway }: LanAddress,
  answerMs = ANSWER_MS,
): Promise<void> {
  await askGuest(path, ['take', mac, `${address}/${prefix}`, gateway], answerMs);
}

/** Orders a guest to take its address, and repeats the order until its helper answers or `isWanted` returns false. */
export async function untilTaken(
  path: string,
  mac: string,
  lan: LanAddress,
  isWanted: () => Promise<boolean>,
): Promise<void> {
  // Not `retry`: the pauses grow.
  for (let pauseMs = 100; await isWanted(); pauseMs = Math.min(GROWTH * pauseMs, MOST_PAUSE_MS)) {
    try {
      return await takeAddress(path, mac, lan, BOOT_MS);
    } catch {
      await sleep(pauseMs);
    }
  }
}

/**
 * Waits until all connections of a guest have joined an address.
 * @param joinMs the longest wait
 * @param abandoned returns true once the move is abandoned, which ends the wait
 * @returns the number of connections that have not joined: some clients reject announced addresses, and plain TCP cannot join
 */
export async function untilJoined(
  path: string,
  address: string,
  joinMs: number,
  abandoned: () => boolean,
): Promise<number> {
  const untilMs = performance.now() + joinMs;
  // Not `until`: the pauses grow.
  for (let pauseMs = 20; ; pauseMs = Math.min(GROWTH * pauseMs, 200)) {
    const [joined, total, plain] = countsOf(await askGuest(path, ['joined', address]));
    if (joined >= total || abandoned() || performance.now() > untilMs) return Math.max(0, total - joined) + plain;
    await sleep(pauseMs);
  }
}

/** Parses three numbers, or the first two. @throws TagalongError GUEST_ANSWER_INVALID */
function countsOf(answer: string): [joined: number, total: number, plain: number] {
  const [joined, total, plain = 0, ...more] = answer.split(' ').map((word) => (/^\d{1,7}$/.test(word) ? +word : NaN));
  const all = [joined, total, plain].every((count) => count !== undefined && count <= MOST_CONNECTIONS);
  if (!all || more.length > 0) {
    const what = 'the helper must answer with the numbers of joined, all and plain connections';
    throw new TagalongError('GUEST_ANSWER_INVALID', `"joined": ${what}; it answered "${foreignText(answer, 64)}"`);
  }
  return [joined!, total!, plain];
}

/** Orders a guest to remove the addresses of all its network cards except one. @param mac of the card that keeps its address */
export async function retractAllBut(path: string, mac: string): Promise<void> {
  const entries = (await askGuest(path, ['addresses'])).split(' ');
  for (const entry of entries.slice(0, MOST_ADDRESSES)) {
    const [card, network] = entry.split('=');
    const address = network?.split('/')[0] ?? '';
    if (isIP(address) !== 0 && card !== mac) await askGuest(path, ['retract', address]);
  }
}
