/**
 * Finds the addresses of another site that answer, before QEMU connects: over a dead path QEMU hangs for minutes, which nothing can
 * cancel. While it connects to a disk, it also blocks the VM.
 */
import { connect, createServer, type Server } from 'node:net';
import { until } from '#shared/clock/retry.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Endpoint } from '#shared/hypervisor/qemu/protocol.ts';

/** Long enough for one lost SYN, which TCP repeats after a second (RFC 6298). */
const ANSWER_MS = 1500;
const AGAIN_MS = 200;

/** Accepts and closes connections, so that other sites see that they reach this one. @returns the port, which the kernel picked */
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
 * @param port at which the other site answers
 * @param patienceMs the time-out for the first answer
 * @param abandoned returns true once the move is abandoned, which ends the wait
 * @throws TagalongError STALLED where none answers
 */
export async function reachable(
  endpoints: readonly Endpoint[],
  port: number,
  patienceMs: number,
  abandoned: () => boolean,
): Promise<Endpoint[]> {
  let answered: readonly boolean[] = [];
  const isOver = async () => {
    answered = await Promise.all(endpoints.map(({ address }) => answers(address, port)));
    return answered.includes(true) || abandoned();
  };
  await until(isOver, { everyMs: AGAIN_MS, withinMs: patienceMs });
  if (answered.includes(true)) return [true, false].flatMap((is) => endpoints.filter((_, i) => answered[i] === is));
  const all = endpoints.map(({ address }) => address).join(', ');
  throw new TagalongError(
    'STALLED',
    `none of ${all} answered within ${Math.round(patienceMs)} ms; check the paths between the sites`,
  );
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
    // A refusal proves that the host is reachable: its restarted agent listens at another port.
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code === 'ECONNREFUSED'));
  });
}
