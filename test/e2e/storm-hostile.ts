/** Sends hostile requests over HTTP: valid ones with extreme values, and invalid ones, drawn from the OpenAPI document. */
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { openapi } from '#services/process/openapi.ts';
import { MAX_AT_MS } from '#shared/events/bounds.ts';
import type { Random } from '#shared/random/random.ts';
import { extremes, ODD_TEXTS } from '../property/extremes.ts';
import { type CrashWorld, int, PROCESSES, USER_LAT, USERS, vmOf } from './crash-world.ts';

/** VMs with extreme figures. They get moves, users and extreme positions. */
export const BOMBS = ['bomb-0', 'bomb-1', 'bomb-2', 'bomb-3', '__proto__', 'constructor'];
const bombUser = (vm: string) => `user-of-${vm}`;
/** A user who is not attached to any VM. */
const STRANGER = 'a-stranger';
/** The key for pseudonyms of users. */
export const PSEUDONYM_KEY = 'a-key-of-the-storm-and-of-nothing-else';
/** Sites with extreme values that hostile requests declare. */
const ODD_SITES = ['odd-0', 'odd-1', 'toString'];
const HOMES = ['s0', 's1', 's2'];
/** Paths that are left out: the storm uses them itself, or they stop all moves. */
const LEFT_OUT = ['/v1/automation', '/v1/sites/{site}/drain'];
const TIMEOUT_MS = 5000;

interface Input {
  readonly method: string;
  readonly path: string;
  /** A text is sent unchanged; other values as JSON. */
  readonly body?: unknown;
}

/** The number of answers by status, and the wrong answers. */
export interface Answers {
  readonly byStatus: Map<number, number>;
  readonly faults: string[];
}

/** Sends inputs to all processes until `stopped`. A process without its server may answer 503; any other 5xx is a fault. */
export async function hostile(
  world: CrashWorld,
  { seed, random }: { readonly seed: number; readonly random: Random },
  stopped: () => boolean,
): Promise<Answers> {
  const answers: Answers = { byStatus: new Map(), faults: [] };
  // Draws many inputs at a time, because drawing one costs more than sending it.
  for (let round = 0; !stopped(); round++) {
    for (const input of fc.sample(inputs(), { seed: seed + round, numRuns: 200 })) {
      if (stopped()) break;
      const service = int(random, 5) === 0 ? '' : serviceOf(input.path);
      const among = PROCESSES.filter((process) => process.startsWith(service));
      const name = among[int(random, among.length)]!;
      const answer = await send(await world.answering(name), input);
      if (answer === undefined) continue;
      const { status } = answer;
      answers.byStatus.set(status, (answers.byStatus.get(status) ?? 0) + 1);
      if (status >= 500 && status !== 503) {
        answers.faults.push(`${status} of ${name}: ${JSON.stringify(input).slice(0, 500)}`);
      }
      await sleep(int(random, 150));
    }
  }
  return answers;
}

/** The service that answers a path. */
function serviceOf(path: string): string {
  if (/^\/v1\/(sites|migrations)/.test(path)) return 'migrator';
  return /\/(status|explanation|moves)$/.test(path) ? 'placement' : 'ingest';
}

/** @returns undefined if no process answers */
export async function send(
  url: string,
  { method, path, body }: Input,
): Promise<{ readonly status: number; readonly text: string } | undefined> {
  try {
    const response = await fetch(url + path, {
      method,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body !== undefined && {
        headers: { 'content-type': 'application/json' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    });
    return { status: response.status, text: await response.text() };
  } catch {
    return undefined;
  }
}

function inputs(): fc.Arbitrary<Input> {
  const { paths } = openapi({ ingest: { pseudonymKey: PSEUDONYM_KEY } } as never) as {
    paths: Record<string, Operations>;
  };
  const drawn = Object.entries(JSON.parse(JSON.stringify(paths)) as typeof paths).flatMap(([path, operations]) =>
    path.startsWith('/v1/') && !LEFT_OUT.includes(path) && !path.includes('/live')
      ? Object.entries(operations).map(([method, operation]) => drawnOf(method, path, operation))
      : [],
  );
  return fc.oneof(fc.oneof(...drawn), fc.oneof(...drawn), bombs(), againstOthers());
}

type Operations = Record<string, { requestBody?: { content: Record<string, { schema?: object }> } }>;

/** Requests of one operation, with bombs or odd names in the path. */
function drawnOf(method: string, path: string, { requestBody }: Operations[string]): fc.Arbitrary<Input> {
  const schema = requestBody?.content['application/json']?.schema;
  const parts: Record<string, fc.Arbitrary<string>> = {
    vm: fc.constantFrom(...BOMBS, ...ODD_TEXTS),
    user: fc.constantFrom(...BOMBS.map(bombUser), ...ODD_TEXTS),
    site: fc.constantFrom(...ODD_SITES, ...ODD_TEXTS),
  };
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
  const filled = fc
    .tuple(...names.map((name) => parts[name] ?? fc.constantFrom(...ODD_TEXTS)))
    .map((values) =>
      names.reduce(
        (text, name, i) => text.replace(`{${name}}`, () => encodeURIComponent(wellFormed(values[i]!))),
        path,
      ),
    );
  const body = schema
    ? fc.oneof(
        { arbitrary: extremes(schema), weight: 4 },
        { arbitrary: fc.constantFrom<unknown>('', '{', '[1e999]', 'null', '[[[[', ...ODD_TEXTS), weight: 1 },
      )
    : fc.constant(undefined);
  return fc
    .tuple(filled, body)
    .filter(([, one]) => one !== undefined || schema === undefined)
    .map(([filledPath, one]) => ({ method: method.toUpperCase(), path: filledPath, body: one }));
}

/** Replaces half surrogates, which a path cannot contain. */
function wellFormed(text: string): string {
  return text.toWellFormed();
}

/** Declares bombs at real homes, attaches users, reports positions, and orders moves. */
function bombs(): fc.Arbitrary<Input> {
  const vm = fc.constantFrom(...BOMBS);
  const schemaOf = (path: string) => extremes(bodyOf('put', path));
  return fc.oneof(
    fc
      .tuple(vm, schemaOf('/v1/vms/{vm}'), fc.constantFrom(...HOMES))
      .map(([one, body, home]) => ({ method: 'PUT', path: `/v1/vms/${one}`, body: { ...(body as object), home } })),
    fc.tuple(vm, schemaOf('/v1/vms/{vm}/sessions/{user}')).map(([one, body]) => ({
      ...{ method: 'PUT', path: `/v1/vms/${one}/sessions/${bombUser(one)}`, body },
    })),
    fc
      .tuple(vm, fc.constantFrom(0, 1.5, 3, 4.5), extremes(bodyOf('post', '/v1/locations')))
      .map(([one, east, body]) => ({
        ...{ method: 'POST', path: '/v1/locations' },
        // Plausible positions, so that some bombs move.
        body: { ...(Array.isArray(body) ? {} : (body as object)), user: bombUser(one), lat: USER_LAT, lon: 4 + east },
      })),
    fc.tuple(vm, fc.constantFrom(...HOMES, ...ODD_SITES, '__proto__', 'nowhere')).map(([one, to]) => ({
      ...{ method: 'POST', path: `/v1/vms/${one}/moves`, body: { to } },
    })),
  );
}

/** Invalid requests about the VMs of other users. They must have no effect. */
function againstOthers(): fc.Arbitrary<Input> {
  const post = (path: string, body: object): Input => ({ method: 'POST', path, body });
  return fc.constantFrom(...USERS).chain((user) =>
    fc.constantFrom<Input>(
      post('/v1/interruptions', { vm: vmOf(user), user: STRANGER, gapMs: 1e6 }),
      post('/v1/locations', { user, lat: USER_LAT, lon: 8.5, atMs: MAX_AT_MS }),
      post('/v1/locations', { user, lat: 1e308, lon: -1e308 }),
      post('/v1/locations', { user, lat: 0, lon: 0 }),
      post('/v1/locations', { user, lat: USER_LAT, lon: 4, atMs: 0 }),
      post(`/v1/vms/${vmOf(user)}/moves`, { to: '__proto__' }),
      post(`/v1/vms/${vmOf(user)}/moves`, { to: 's9' }),
      {
        method: 'PUT',
        path: `/v1/vms/${vmOf(user)}`,
        body: { home: 'nowhere', spec: { ramBytes: 1, dirtyRateBps: 0, workingSetBytes: 0 } },
      },
      { method: 'DELETE', path: `/v1/vms/${vmOf(user)}/sessions/${STRANGER}` },
    ),
  );
}

function bodyOf(method: string, path: string): object {
  const { paths } = openapi({ ingest: { pseudonymKey: PSEUDONYM_KEY } } as never) as {
    paths: Record<string, Operations>;
  };
  return JSON.parse(JSON.stringify(paths[path]![method]!.requestBody!.content['application/json']!.schema));
}
