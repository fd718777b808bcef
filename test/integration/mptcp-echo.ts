import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach } from 'vitest';

const running: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((stop) => stop()));
});

/** Starts an echo service on an MPTCP socket, for the length of a test. @returns its port on loopback */
export async function mptcpEcho(): Promise<number> {
  const main = new URL('echo.main.ts', import.meta.url).pathname;
  const child = spawn('mptcpize', ['run', process.execPath, main], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.push(async () => {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  });
  const [port] = await once(child.stdout, 'data');
  return Number(port);
}
