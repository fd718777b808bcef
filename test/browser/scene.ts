/** Runs all services in one process on the real clock, with sites and VMs for the pages to show. */
import { createSystem, type System } from '#services/process/system.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { realClock } from '#shared/clock/real.ts';
import { parseConfig } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';

export const TOKEN = 'a token of more than sixteen';
export const VIEWER_TOKEN = 'the token of the wall display';

/** The positions of the sites. */
export const PLACES = { west: { lat: 52.1, lon: 4.3 }, east: { lat: 53.2, lon: 6.5 }, south: { lat: 50.9, lon: 5.7 } };

export interface Scene {
  readonly url: string;
  readonly system: System;
  /** Reports positions of users, as their devices would. */
  locate(...fixes: { user: string; lat: number; lon: number }[]): Promise<void>;
  /** Sends a request, as a program would. @param token null: send no token */
  ask(method: string, path: string, body?: object, token?: string | null): Promise<{ status: number; body: unknown }>;
  stop(): Promise<void>;
}

/** @param more configuration that replaces the defaults below */
export async function startScene(more: Record<string, unknown> = {}): Promise<Scene> {
  const uplinks = [
    { provider: 'a', rateBps: 250_000_000 },
    { provider: 'b', rateBps: 250_000_000 },
  ];
  const spec = { ramBytes: 1e9, dirtyRateBps: 1e6, workingSetBytes: 5e6 };
  const settings = {
    http: { port: 0, token: TOKEN, tokens: [{ name: 'wall', role: 'viewer', token: VIEWER_TOKEN }] },
    heartbeatMs: 300,
    ingest: { plausibility: { maxSpeedMps: 1e6 } },
    policy: { dwellMs: 300, siteSilentMs: 60_000 },
    sites: Object.entries(PLACES).map(([site, place]) => ({ site, ...place, slots: 8, uplinks })),
    vms: [
      { vm: 'desk-1', home: 'west', spec, sessions: [{ user: 'alice' }] },
      { vm: 'desk-2', home: 'east', spec, sessions: [{ user: 'bob' }, { user: 'carol' }] },
    ],
    ...more,
  };
  const config = parseConfig(JSON.stringify(settings), 'test');
  const bus = memoryBus();
  const system = createSystem({ config, clock: realClock(), bus, store: memoryStore(), log: createLog('silent') });
  const { url } = await system.listen();
  await system.start();
  await system.declare();
  const { token: own = null } = config.http;
  const ask: Scene['ask'] = async (method, path, body, token = own) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(token && { authorization: `Bearer ${token}` }),
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  };
  return {
    url,
    system,
    ask,
    async locate(...fixes) {
      const { status, body } = await ask('POST', '/v1/locations', fixes);
      if (status !== 202) throw new Error(`locations were refused: ${JSON.stringify(body)}`);
    },
    stop: () => system.stop(),
  };
}
