/** Starts a server, and turns a taken port into an error of one line. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { HttpConfig } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';

/** A server of HTTP requests. */
interface Listener {
  listen(): Promise<{ readonly url: string }>;
}

/**
 * Starts the HTTP server of a system.
 * @returns the address
 * @throws TagalongError PORT_UNAVAILABLE
 */
export async function serve(system: Listener, { host, port }: HttpConfig): Promise<string> {
  try {
    return (await system.listen()).url;
  } catch (cause) {
    const { code, syscall } = cause as NodeJS.ErrnoException;
    if (syscall === undefined) throw cause;
    throw new TagalongError(
      'PORT_UNAVAILABLE',
      `cannot listen on ${host} port ${port} (${code}); give another port, or 0 for a free one`,
      { cause },
    );
  }
}

/** The port, or 0 (any free one) if another program uses it; then a line on standard error says so. */
export async function portOrAnyFree(host: string, port: number): Promise<number> {
  const probe = createServer();
  try {
    probe.listen({ host, port });
    await once(probe, 'listening');
  } catch {
    process.stderr.write(`Port ${port} is taken; a free one is used.\n`);
    return 0;
  }
  probe.close();
  await once(probe, 'close');
  return port;
}
