/**
 * Schemathesis draws valid and invalid requests from the served OpenAPI document. The server accepts the valid ones and refuses the
 * invalid ones, without an error of its own.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createSystem } from '#services/process/system.ts';
import { createHttp } from '#services/runtime/http.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { realClock } from '#shared/clock/real.ts';
import { parseConfig } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { longOr } from '../long.ts';
import { SEED } from '../property/seed.ts';
import { onChecker, pathOf } from '../servers/checkers.ts';

const TOKEN = 'a token of more than sixteen';
const EXAMPLES = longOr(5, 200);

/** Schemathesis waits for the end of an answer; a live stream never ends. */
const STREAMS = '/dashboard/live$';
/**
 * Exceptions that no schema can express: which bytes are a protocol buffer, which sites exist, that a site names a provider once,
 * and that only a device has a user. Messages of phones may have members that the schema forbids.
 */
const SETTINGS = `
[checks]
enabled = false
not_a_server_error.enabled = true
positive_data_acceptance.enabled = true
negative_data_rejection.enabled = true
unsupported_method.enabled = true

[[operations]]
include-name = "POST /v1/gtfs-realtime"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "PUT /v1/vms/{vm}"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "PUT /v1/sites/{site}"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "POST /v1/tokens"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "POST /v1/owntracks"
checks.negative_data_rejection.enabled = false
`;

/**
 * The server refuses a member `__proto__` at any depth, also if a standard allows members of any name. No schema can express this.
 */
const HOOKS = `
import schemathesis

@schemathesis.hook
def filter_body(context, body):
    return "__proto__" not in repr(body)
`;

const INSTALLATION = `
http: { port: 0, token: "${TOKEN}", requestsPerMinute: 1000000 }
sites:
  - { site: a, lat: 42, lon: -71, slots: 10, uplinks: [{ provider: isp, rateBps: 125000000 }] }
  - { site: b, lat: 41, lon: -74, slots: 10, uplinks: [{ provider: isp, rateBps: 125000000 }] }
vms:
  - { vm: v, home: a, spec: { ramBytes: 1000000000, dirtyRateBps: 1000000, workingSetBytes: 1000000 } }
`;

/** Runs schemathesis against a server. @param only arguments that select operations @returns its exit status and its output */
async function runSchemathesis(url: string, only: readonly string[]): Promise<{ code: number | null; output: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'tagalong-schemathesis-'));
  try {
    await writeFile(join(folder, 'schemathesis.toml'), SETTINGS);
    await writeFile(join(folder, 'hooks.py'), HOOKS);
    const env = { ...process.env, SCHEMATHESIS_HOOKS: 'hooks', PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: '1' };
    const args = ['run', `${url}/openapi.json`, '--header', `Authorization: Bearer ${TOKEN}`];
    const bounds = ['--max-examples', String(EXAMPLES), '--seed', String(SEED), '--no-shrink', '--continue-on-failure'];
    const without = ['--exclude-path-regex', STREAMS, '--phases', 'examples,coverage,fuzzing'];
    const child = spawn(pathOf('schemathesis'), [...args, ...bounds, ...without, ...only], { cwd: folder, env });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    return { code, output };
  } finally {
    await rm(folder, { recursive: true });
  }
}

onChecker('schemathesis', 'the served OpenAPI document', () => {
  test.each([
    // Users are in these operations only. The location APIs of others have users of any form, which need pseudonyms.
    ['users under their own ids', '', ['--include-tag', 'locations', '--include-tag', 'VMs']],
    ['users under pseudonyms', 'ingest: { pseudonymKey: "a key of more than sixteen" }', []],
  ])(
    'matches the server: %s',
    async (_, more, only) => {
      const config = parseConfig(INSTALLATION + more, 'test');
      const [clock, log] = [realClock(), createLog('silent')];
      const system = createSystem({ config, clock, bus: memoryBus(), store: memoryStore(), log });
      const surface = await createHttp({ config: config.http, log });
      system.registerHttp(surface);
      await system.start();
      try {
        const { url } = await surface.listen();
        const { code, output } = await runSchemathesis(url, only);
        expect(code, output).toBe(0);
        expect(output).toMatch(/[1-9]\d* generated/);
        expect(await (await fetch(`${url}/readyz`)).json(), 'afterwards').toMatchObject({ status: 'ready' });
      } finally {
        await system.stop();
        await surface.close();
      }
    },
    longOr(300_000, 1_200_000),
  );
});
