import { afterEach } from 'vitest';
import { type Child, startChild } from '#shared/child.ts';

const running: Child[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((child) => child.kill()));
});

/** Starts an echo service on an MPTCP socket, and stops it after the test. @returns its port on loopback */
export async function mptcpEcho(): Promise<number> {
  const main = new URL('echo.main.ts', import.meta.url).pathname;
  const child = startChild('mptcpize', ['run', process.execPath, main], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.push(child);
  return Number(await child.printed(/(\d+)\n/));
}
