/**
 * Which of another site's addresses answer. Asked before QEMU connects: over a dead path its call hangs for minutes, a
 * disk's holds up the whole VM meanwhile, and nothing takes it back.
 */
import { connect, createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { TagalongError } from '#shared/errors.ts';
import type { Endpoint } from '#shared/hypervisor/qemu/protocol.ts';

/** A first packet that is lost is sent again after a second. */
const ANSWER_MS = 1500;
const AGAIN_MS = 200;

/** Answers whoever asks whether this host can be reached. @returns `port`, which the kernel chose, on all addresses */
export async function answerCalls(): Promise<{ readonly port: number; close(): void }> {
  const server: Server = createServer((socket) => socket.on('error', () => {}).destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '0.0.0.0', resolve);
  });
  server.unref();
  return { port: (server.address() as { port: number }).port, close: () => void server.close() };
}

/**
 * Puts the addresses that answer first, otherwise in the order given.
 * @param port where their site answers
 * @param patienceMs how long it may take until one does
 * @throws TagalongError STALLED where none does
 */
export async function reachable(
  endpoints: readonly Endpoint[],
  port: number,
  patienceMs: number,
  abandoned: () => boolean,
): Promise<Endpoint[]> {
  for (const untilMs = performance.now() + patienceMs; ; await sleep(AGAIN_MS)) {
    const answered = await Promise.all(endpoints.map(({ address }) => answers(address, port)));
    const there = endpoints.filter((_, i) => answered[i]);
    if (there.length > 0) return [...there, ...endpoints.filter((_, i) => !answered[i])];
    if (abandoned() || performance.now() > untilMs) {
      const all = endpoints.map(({ address }) => address).join(', ');
      throw new TagalongError('STALLED', `none of ${all} answers for ${Math.round(patienceMs)} ms`);
    }
  }
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (isThere: boolean) => {
      socket.destroy();
      resolve(isThere);
    };
    socket.setTimeout(ANSWER_MS, () => end(false));
    socket.once('connect', () => end(true));
    // Who refuses is there: its agent was started again, and listens elsewhere.
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code === 'ECONNREFUSED'));
  });
}
