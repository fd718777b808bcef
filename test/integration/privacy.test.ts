/** Nobody below an operator can compute a user's position from all that the services answer; the same attempt succeeds for an operator. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createSystem, type System } from '#services/process/system.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { realClock } from '#shared/clock/real.ts';
import { parseConfig } from '#shared/config/load.ts';
import { distanceKm } from '#shared/geo/distance.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { PATIENTLY } from '../patience.ts';

const tokenOf = (role: string) => `the token of the ${role}`;
const HERE = { lat: 41.98765, lon: -72.34567 };
const SITES = {
  boston: { lat: 42.36, lon: -71.06 },
  hartford: { lat: 41.77, lon: -72.67 },
  albany: { lat: 42.65, lon: -73.75 },
  'new-york': { lat: 40.71, lon: -74.01 },
  providence: { lat: 41.82, lon: -71.41 },
};
const config = parseConfig(
  JSON.stringify({
    http: {
      port: 0,
      token: tokenOf('admin'),
      tokens: [
        ...['viewer', 'operator'].map((role) => ({ name: role, role, token: tokenOf(role) })),
        { name: 'phone', role: 'device', user: 'bob', token: tokenOf('device') },
      ],
    },
    heartbeatMs: 300,
    policy: { dwellMs: 300, siteSilentMs: 60_000 },
    sites: Object.entries(SITES).map(([site, place]) => ({
      ...{ site, ...place, slots: 4, uplinks: [{ provider: 'isp', rateBps: 1e9 }] },
    })),
    vms: ['alice', 'bob'].map((user) => ({
      ...{ vm: user === 'alice' ? 'desk-1' : 'desk-2', home: 'new-york', sessions: [{ user }] },
      spec: { ramBytes: 1e9, dirtyRateBps: 1e6, workingSetBytes: 1e6 },
    })),
  }),
  'test',
);

let system: System;
let url: string;
const ask = (path: string, token?: string, init: RequestInit = {}) =>
  fetch(url + path, { ...init, headers: { ...init.headers, ...(token && { authorization: `Bearer ${token}` }) } });

beforeAll(async () => {
  system = createSystem({
    config,
    clock: realClock(),
    bus: memoryBus(),
    store: memoryStore(),
    log: createLog('silent'),
  });
  ({ url } = await system.listen());
  await system.start();
  await system.declare();
  const headers = { 'content-type': 'application/json' };
  const report = async () => {
    const body = JSON.stringify({ user: 'alice', ...HERE });
    await ask('/v1/locations', tokenOf('admin'), { method: 'POST', headers, body });
    const answer = await ask('/v1/dashboard/decisions/desk-1:1/explanation', tokenOf('operator'));
    expect(answer.status).toBe(200);
  };
  // The policy decides to move the VM, so there is a decision to read, too.
  await vi.waitFor(report, { ...PATIENTLY, interval: 500 });
}, 90_000);
afterAll(() => system?.stop());

/** All answers to GET that a caller gets, by path. */
async function readable(token: string | undefined): Promise<Map<string, string>> {
  const { paths } = (await (await ask('/openapi.json')).json()) as { paths: Record<string, { get?: unknown }> };
  const answers = new Map<string, string>();
  for (const [pattern, { get }] of Object.entries(paths)) {
    if (get === undefined) continue;
    const path = pattern
      .replace('{vm}', 'desk-1')
      .replace('{decision}', 'desk-1:1')
      .replace('{service}', 'placement')
      .replace('{user}', 'alice')
      .concat(pattern.endsWith('/past') ? `?atMs=${Date.now() + 60_000}` : '');
    const stop = new AbortController();
    const response = await ask(path, token, { signal: stop.signal });
    if (response.status === 200) {
      // A live stream begins with the whole picture.
      const text = path.endsWith('/live') ? await firstLine(response) : await response.text();
      answers.set(path, text);
    }
    stop.abort();
  }
  return answers;
}

async function firstLine(response: Response): Promise<string> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (!text.includes('\n')) text += (await reader.read()).value;
  return text;
}

/** Every figure that an answer gives for each of several sites. */
function figuresBySite(value: unknown): Map<string, number>[] {
  if (typeof value !== 'object' || value === null) return [];
  const inside = Object.values(value).flatMap(figuresBySite);
  const rows = Array.isArray(value) ? value.filter((row) => typeof row?.site === 'string' && row.site in SITES) : [];
  const keys = new Set(rows.flatMap((row) => Object.keys(row)));
  const tables = [...keys].map(
    (key) => new Map(rows.flatMap((row) => (typeof row[key] === 'number' ? [[row.site, row[key]] as const] : []))),
  );
  const named = Object.entries(value).filter(([key, one]) => key in SITES && typeof one === 'number');
  return [...inside, ...tables, new Map(named as [string, number][])].filter(({ size }) => size >= 3);
}

/** Takes the figures for distances: cost - 2 ms of transit, 0.021 ms a kilometre, as the shipped model has it. */
function trilaterate(figures: ReadonlyMap<string, number>): typeof HERE {
  const least = Math.min(...figures.values());
  const known = [...figures].map(([site, cost]) => ({
    at: SITES[site as keyof typeof SITES],
    km: (cost - (cost === least ? 0 : 2)) / 0.021,
  }));
  const error = (p: typeof HERE) => known.reduce((sum, { at, km }) => sum + (distanceKm(p, at) - km) ** 2, 0);
  let best: typeof HERE = known[0]!.at;
  for (let step = 1; step > 1e-6; ) {
    const tries = [-1, 0, 1].flatMap((i) =>
      [-1, 0, 1].map((j) => ({ lat: best.lat + i * step, lon: best.lon + j * step })),
    );
    const next = tries.reduce((a, b) => (error(b) < error(a) ? b : a), best);
    if (next === best) step /= 2;
    best = next;
  }
  return best;
}

/** The distance of the best attempt from the user, in kilometres. */
function nearestKm(answers: ReadonlyMap<string, string>): number {
  const parsed = [...answers.values()].flatMap((text) =>
    /^[[{]/.test(text) ? [JSON.parse(text.split('\n')[0]!)] : [],
  );
  const attempts = parsed.flatMap(figuresBySite).map(trilaterate);
  return Math.min(Number.POSITIVE_INFINITY, ...attempts.map((at) => distanceKm(at, HERE)));
}

test('from the answers to an operator the position can be computed', async () => {
  const answers = await readable(tokenOf('operator'));
  expect(answers.size).toBeGreaterThan(10);
  expect(nearestKm(answers)).toBeLessThan(1);
});

test.each([
  ['nobody', undefined],
  ['a viewer', tokenOf('viewer')],
  ['the device of another user', tokenOf('device')],
])('from the answers to %s it cannot', async (_, token) => {
  const answers = await readable(token);
  expect(answers.size).toBeGreaterThan(5);
  expect(nearestKm(answers)).toBeGreaterThan(20);
  answers.delete('/openapi.json');
  for (const [path, text] of answers) {
    expect(text, path).not.toContain('alice');
    expect(text, path).not.toMatch(/UserMs|oldestFixAge|41\.98|72\.34|"positions"/);
  }
});
