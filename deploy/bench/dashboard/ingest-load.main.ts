/** A thread that sends locations over several connections. Each connection sends the next one when the previous one is answered. */
import { Agent, request } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';
import type { Load, Sent } from './ingest.ts';

const { url, users, connections, durationMs } = workerData as Load;
const agent = new Agent({ keepAlive: true, maxSockets: connections });
const tookMs: number[] = [];
let refused = 0;
let sent = 0;

function send(): Promise<void> {
  const user = `user-${sent++ % users}`;
  const body = JSON.stringify({ user, lat: 47 + (sent % 1000) / 1e6, lon: 5 });
  const begunMs = performance.now();
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const sending = request(`${url}/v1/locations`, { method: 'POST', agent, headers }, (response) => {
      response.resume();
      response.on('end', () => {
        if (response.statusCode === 202) tookMs.push(performance.now() - begunMs);
        else refused++;
        resolve();
      });
    });
    sending.on('error', reject);
    sending.end(body);
  });
}

const beganMs = performance.now();
const lane = async () => {
  while (performance.now() < beganMs + durationMs) await send();
};
await Promise.all(Array.from({ length: connections }, lane));
agent.destroy();
parentPort!.postMessage({ tookMs, refused, durationMs: performance.now() - beganMs } satisfies Sent);
