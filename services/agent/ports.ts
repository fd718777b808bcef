/** TCP ports for QEMU's NBD server and for recovery in post-copy. QEMU does not report a port of its choice, so the agent picks one. */
import { createServer } from 'node:net';
import { retry } from '#shared/clock/retry.ts';
import { QmpError } from './qmp.ts';

/** Enough tries: each fails only if another process takes the port at that moment. */
const MAX_TRIES = 10;

/** A port at which nobody listens at this moment; another process may take it before it is used. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '0.0.0.0', resolve);
  });
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * Has QEMU listen at a free port. Picks another port and calls `listen` again while the port was taken in between.
 * @param listen the command to QEMU; must change nothing where its port is taken
 * @param pick gives the next port to try
 * @returns the port at which QEMU listens
 * @throws what `listen` throws, also after ten ports were taken
 */
export async function listenAtFreePort(
  listen: (port: number) => Promise<void>,
  pick: () => Promise<number> = freePort,
): Promise<number> {
  const attempt = async () => {
    const port = await pick();
    await listen(port);
    return port;
  };
  return retry(attempt, { everyMs: 0, tries: MAX_TRIES, isPassing: isPortTaken });
}

/** True: QEMU could not listen because another process does so at this port (EADDRINUSE; QEMU gives only the text). */
export function isPortTaken(error: unknown): boolean {
  return error instanceof QmpError && /address already in use/i.test(error.message);
}
