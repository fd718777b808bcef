import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { DEFAULT_CONFIG, loadConfig, parseConfig } from '#shared/config/load.ts';
import { TagalongError } from '#shared/errors.ts';
import { MAX_RELATED } from '#shared/events/bounds.ts';
import { DEFAULT_MOVE_MODEL } from '#shared/model/move-model.ts';
import { DEFAULT_NETWORK } from '#shared/model/network.ts';

/** Parses a wrong configuration. @returns its error */
function refusal(text: string): { code: string; message: string } {
  try {
    parseConfig(text, 'tagalong.yaml');
  } catch (error) {
    const { code, message } = error as TagalongError;
    return { code, message };
  }
  throw new Error(`was accepted:\n${text}`);
}

/** All values of a configuration, with their paths. */
function leaves(value: unknown, path: readonly string[] = []): { path: readonly string[]; value: unknown }[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [{ path, value }];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]));
}

const twoSites = `
sites:
  - { site: east, lat: 1, lon: 2, slots: 3, uplinks: [{ provider: a, rateBps: 1e8 }] }
  - { site: west, lat: 1, lon: 9, slots: 3, uplinks: [] }
`;
const spec = '{ ramBytes: 1e9, dirtyRateBps: 1e6, workingSetBytes: 1e8 }';

describe('defaults', () => {
  test('an empty document is the default configuration', () => {
    for (const text of ['', '{}', '# nothing\n', 'http:\npolicy:\n'])
      expect(parseConfig(text, 'f')).toEqual(DEFAULT_CONFIG);
  });

  test('the models have the defaults of their own files', () => {
    expect(DEFAULT_CONFIG.network).toEqual(DEFAULT_NETWORK);
    expect(DEFAULT_CONFIG.move).toEqual(DEFAULT_MOVE_MODEL);
  });

  test('every default has its @default in the schema, with the same value', () => {
    const textOf = (name: string) =>
      readFileSync(new URL(`../../../../shared/config/${name}`, import.meta.url), 'utf8');
    const source = ['schema.ts', 'http.ts'].map(textOf).join('\n');
    const documented = [...source.matchAll(/@default (\S+) \*\/\s+(\w+):/g)].map(([, value, key]) => `${key} ${value}`);
    const plain = (text: string) => text.replaceAll('_', '');
    const missing = leaves(DEFAULT_CONFIG)
      .filter(({ value }) => !Array.isArray(value))
      .map(({ path, value }) => `${path.at(-1)} ${value}`)
      .filter((line) => !documented.map(plain).includes(line));
    expect(missing).toEqual([]);
  });

  test('a given value replaces its default only', () => {
    const config = parseConfig('http: { port: 0 }\nmove: { efficiency: { single: 0.5 } }', 'f');
    expect(config.http).toEqual({ ...DEFAULT_CONFIG.http, port: 0 });
    expect(config.move).toEqual({ ...DEFAULT_MOVE_MODEL, efficiency: { single: 0.5, multi: 0.92 } });
  });

  test('a VM needs only the figures without a default', () => {
    const [vm] = parseConfig(
      `${twoSites}vms: [{ vm: v1, home: east, spec: ${spec}, sessions: [{ user: ann }] }]`,
      'f',
    ).vms;
    expect(vm?.spec).toMatchObject({ diskBytes: 0, downtimeLimitMs: 300, targetRttMs: 10 });
    expect(vm?.sessions).toEqual([{ user: 'ann', weight: 1 }]);
  });

  test('a configuration is frozen at any depth', () => {
    const config = parseConfig(twoSites, 'f');
    for (const part of [config, config.move.efficiency, config.sites, config.sites[0], config.sites[0]?.uplinks]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });
});

describe('files', () => {
  test('YAML and JSON give the same configuration', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tagalong-config-'));
    try {
      const wanted = { policy: { dwellMs: 1 }, sites: [{ site: 'a', lat: 0, lon: 0, slots: 1, uplinks: [] }] };
      await writeFile(join(folder, 'c.yaml'), stringify(wanted));
      await writeFile(join(folder, 'c.json'), JSON.stringify(wanted, null, '\t'));
      const fromYaml = await loadConfig(join(folder, 'c.yaml'));
      expect(fromYaml).toEqual(await loadConfig(join(folder, 'c.json')));
      expect(fromYaml.policy.dwellMs).toBe(1);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('the error about a missing file names it', async () => {
    await expect(loadConfig('/no/such/file.yaml')).rejects.toMatchObject({
      code: 'CONFIG_UNREADABLE',
      message: expect.stringContaining('/no/such/file.yaml: cannot be read (ENOENT)'),
    });
  });

  test.each([
    ['a: b: c', 'tagalong.yaml:1: '],
    ['http:\n  port: 1\n  port: 2', 'tagalong.yaml:3: '],
    ['http: {\n', 'tagalong.yaml:2: '],
    ['http: *nowhere', 'tagalong.yaml: '],
    ['--- {}\n--- {}', 'tagalong.yaml:2: '],
  ])('%j is not YAML', (text, message) => {
    expect(refusal(text)).toMatchObject({ code: 'CONFIG_UNREADABLE', message: expect.stringContaining(message) });
  });
});

describe('refusals', () => {
  test.each(
    [
      ['http:\n  port: 70000', ':2: http.port: is 70000; give an integer from 0 to 65535'],
      ['http:\n  port: "80"', ':2: http.port: is "80"; give an integer from 0 to 65535'],
      ['http: [1]', ':1: http: is a list; give a section with host, port, '],
      ['policy:\n  name: x\n  dwel_ms: 3', ':3: policy.dwel_ms: unknown key; did you mean dwellMs?'],
      ['colour: red', ':1: colour: unknown key; known are installation, http, bus, '],
      ['__proto__: { http: 1 }', ':1: __proto__: unknown key'],
      ['heartbeatMs: .inf', ':1: heartbeatMs: is Infinity; give a number from 1 to '],
      ['move: { efficiency: { multi: 1.1 } }', ':1: move.efficiency.multi: is 1.1; give a number from 0.000001 to 1'],
      ['log: { level: loud }', ':1: log.level: is "loud"; give one of trace, '],
      [
        'bus:\n  url: nats://host',
        ':2: bus.url: there is no bus for "nats://host"; give memory:, nats://HOST:PORT or ',
      ],
      ['store: { url: "kafka:" }', ':1: store.url: there is no store for "kafka:"; give memory:, '],
      ['ingest: { mqtt: { url: "kafka://host:1" } }', ':1: ingest.mqtt.url: is not of a NATS server; give nats://'],
      ['ingest: { mqtt: { url: "nats://host:1", auth: { user: a } } }', ':1: ingest.mqtt.auth: has one of user and'],
      [
        'ingest:\n  places:\n    - { place: a, lat: 1, lon: 1 }\n    - { place: a, lat: 2, lon: 2 }',
        ':4: ingest.places.1.place: repeats ingest.places.0; give each once',
      ],
      [
        'http: { oidc: { issuer: "http://id.example", audience: a, roles: [{ claim: a, value: b, role: admin }] } }',
        ':1: http.oidc.issuer: is not to be trusted on its way here; give https://',
      ],
      ['http: { oidc: { issuer: "https://id.example", audience: a } }', ':1: http.oidc.roles: is missing; give a list'],
      [
        'http:\n  tokens:\n    - { name: phone, role: device, token: "0123456789abcdef" }',
        ':3: http.tokens.0.user: is missing; give the user of the device phone',
      ],
      [
        'http: { tokens: [{ name: ops, role: operator, user: ann, token: "0123456789abcdef" }] }',
        ':1: http.tokens.0.user: does not fit the role operator; ',
      ],
      ['tracing: { otlpUrl: "collector:4318" }', ':1: tracing.otlpUrl: is no address on the web; give http://'],
      ['webhooks: [{ name: ams, url: "ftp://x" }]', ':1: webhooks.0.url: is no address on the web; give http://'],
      [
        'webhooks:\n  - { name: ams, url: "http://x" }\n  - { name: ams, url: "http://y" }',
        ':3: webhooks.1.name: repeats webhooks.0; give each once',
      ],
      ['bus: { url: "amqp://host:1" }', ':1: bus.url: there is no bus for "amqp://host:1"; give memory:, '],
      [
        'webhooks: [{ name: a, url: "http://fleet.example/", token: k3Jx9qLmZp0RtVw7 }]',
        ':1: webhooks.0.url: would show the token',
      ],
      [
        'tracing: { otlpUrl: "http://otel:4318", token: k3Jx9qLmZp0RtVw7 }',
        ':1: tracing.otlpUrl: would show the token',
      ],
      ['bus: { url: "nats://me:secret@host:1" }', ':1: bus.url: there is no bus for a url with a user in it'],
      [
        'bus: { url: "kafka://h:1", prefix: a/b }',
        ':1: bus.prefix: is "a/b", which kafka has no names for; give letters, digits, ., _ and -',
      ],
      [
        'store: { url: "nats://h:1", prefix: a.b }',
        ':1: store.prefix: is "a.b", which nats has no names for; give letters, digits, _ and -',
      ],
      ['bus: { auth: { token: abc } }', ':1: bus.auth: is of no use with memory:'],
      ['bus: { url: "nats://h:1", auth: { user: a } }', ':1: bus.auth: has one of user and password; give both'],
      ['bus: { url: "nats://h:1", auth: { token: a, nkeySeed: b } }', ':1: bus.auth: give one of user and password, '],
      ['bus: { url: "nats://h:1", auth: { token: a, mechanism: plain } }', ':1: bus.auth.mechanism: is not for nats'],
      ['store: { url: "kafka://h:1", auth: { token: a } }', ':1: store.auth.token: is not for kafka; give mechanism'],
      [
        'store: { url: "kafka://h:1", auth: { user: a, password: b } }',
        ':1: store.auth: is incomplete; give mechanism',
      ],
      ['store: { url: "nats://h:1", tls: { cert: a } }', ':1: store.tls: has one of cert and key; give both or none'],
      ['hypervisor: { kind: xen }', ':1: hypervisor.kind: is "xen"; give one of simulated, qemu'],
      ['hypervisor: { kind: qemu }', ':1: hypervisor.tls: is missing; give ca, cert and key for hypervisor.kind qemu'],
      [
        'dashboard: { tilesUrl: "https://tiles.example/map.png" }',
        ':1: dashboard.tilesUrl: is "https://tiles.example/map.png"; give https://HOST/{z}/{x}/{y}.png',
      ],
      ['dashboard: { tilesUrl: "https://a b/{z}" }', ':1: dashboard.tilesUrl: is "https://a b/{z}"; give https://'],
      ['dashboard: { services: ["10.0.0.7:8080"] }', ':1: dashboard.services.0: is no address; give http://HOST:PORT'],
      [
        'http: { host: 0.0.0.0 }',
        ':1: http.host: 0.0.0.0 can be reached from other machines and there is no http.token',
      ],
      ['heartbeatMs: 30000', ':1: policy.siteSilentMs: is 30000, '],
      ['policy: { maxBackOffMs: 1000 }', ':1: policy.maxBackOffMs: is 1000; give at least policy.backOffMs (60000)'],
      [
        'sites:\n  - { site: a, lat: 91, lon: 0, slots: 1, uplinks: [] }',
        ':2: sites.0.lat: is 91; give a number from -90 to 90',
      ],
      ['sites:\n  - { site: a, lat: 9, lon: 0, uplinks: [] }', ':2: sites.0.slots: is missing; give an integer from 0'],
      ['sites:\n  - { site: "a b", lat: 9, lon: 0, slots: 1, uplinks: [] }', ':2: sites.0.site: is "a b"; give a name'],
      ['vms: [null]', ':1: vms.0: is empty; give a section with vm, home, '],
      [
        `${twoSites}  - { site: east, lat: 0, lon: 0, slots: 1, uplinks: [] }`,
        ':5: sites.2.site: repeats sites.0; give each once',
      ],
      [
        `${twoSites}vms:\n  - { vm: v1, home: eastt, spec: ${spec} }`,
        ':6: vms.0.home: there is no site "eastt"; did you mean east?',
      ],
      [
        `${twoSites}vms:\n  - { vm: v1, home: north, spec: ${spec} }`,
        ':6: vms.0.home: there is no site "north"; give the name',
      ],
      ...[
        ['allowed: [east, wst]', 'allowed.1: there is no site "wst"; did you mean west?'],
        ['avoided: [north]', 'avoided.0: there is no site "north"; give the name'],
        ['allowed: []', 'allowed: is an empty list; give a list of 1 to 64 entries'],
        ['allowed: [west]', 'allowed: leaves out the home, east; add it, or give another home'],
        ['preferred: [west], avoided: [east, west]', 'avoided: names west, which is preferred; give it in one list'],
        ['allowed: [east], preferred: [west]', 'preferred: names west, which is not allowed; allow it too'],
        ['preferenceUserMsPerS: -1', 'preferenceUserMsPerS: is -1; give a number from 0'],
      ].map(([affinity, message]) => [
        `${twoSites}vms:\n  - { vm: v1, home: east, spec: ${spec}, affinity: { ${affinity} } }`,
        `:6: vms.0.affinity.${message}`,
      ]),
      ...[
        ['group: { lead: "g::v2" }', '', '0.affinity.group.lead: there is no VM "g::v2"; did you mean g::v1?'],
        [
          'group: { lead: "g::v1" }',
          'group: { lead: "g::v0" }',
          '1.affinity.group.lead: there is no VM "g::v0"; did you mean g::v1?',
        ],
        ['', 'group: { lead: "g::v1" }', '1.affinity.group.lead: names g::v1, which leads no group; '],
        [
          'group: { lead: "g::v1" }, apart: g',
          'group: { lead: "g::v1" }, apart: g, preferred: [west]',
          '1.affinity.group: g::v1 is kept apart from it (g)',
        ],
        [
          'group: { lead: "g::v1" }, allowed: [east]',
          'group: { lead: "g::v1" }, allowed: [west]',
          '1.affinity.group: no site is allowed for g::v1, which leads it, and for g::w; allow one for both',
        ],
        ['apart: "g::a"', 'apart: "g::a"', '1.affinity.apart: keeps it apart from g::v1, which is at east too; '],
        ['apart: a', '', '0.affinity.apart: names a, but VMs in relation'],
        ['group: { lead: h }', '', '0.affinity.group.lead: names h, but VMs in relation'],
        [
          'group: { lead: "g::v1", apartUserMsPerS: -1 }',
          '',
          '0.affinity.group.apartUserMsPerS: is -1; give a number from 0',
        ],
      ].map(([one, other, message]) => [
        `${twoSites}vms:\n  - { vm: "g::v1", home: east, spec: ${spec}, affinity: { ${one} } }\n  - { vm: "g::w", home: ${other!.includes('west') ? 'west' : 'east'}, spec: ${spec}, affinity: { ${other} } }`,
        `:${6 + Number(message![0])}: vms.${message}`,
      ]),
      [
        `${twoSites}vms:\n  - { vm: v1, home: east, spec: ${spec} }\n  - vm: v1\n    home: east\n    spec: ${spec}`,
        ':7: vms.1.vm: repeats vms.0; give each once',
      ],
      [
        `${twoSites}vms:\n  - vm: v1\n    home: east\n    spec: ${spec}\n    sessions: [{ user: ann }, { user: ann }]`,
        ':9: vms.0.sessions.1.user: repeats vms.0.sessions.0; give each once',
      ],
      [
        `${twoSites}vms:\n  - { vm: v1, home: east, spec: ${spec}, sessions: [{ user: "ann @home" }] }`,
        ':6: vms.0.sessions.0.user: does not fit on the bus as it is; set ingest.pseudonymKey',
      ],
    ].map(([text, message]) => ({ text: text!, message: message! })),
  )('$message', ({ text, message }) => {
    const refused = refusal(text);
    expect(refused).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(`tagalong.yaml${message}`),
    });
    expect(refused.message).not.toContain('\n');
  });

  test.each([
    ['set', 'apart', { apart: 'g::set' }],
    ['group', 'group', { group: { lead: 'g::v100' } }],
  ])('name the first VM that is one too many in a %s', (_, member, affinity) => {
    const many = Array.from({ length: MAX_RELATED + 2 }, (_, i) => i);
    const uplinks = [{ provider: 'a', rateBps: 1e8 }];
    const sites = many.map((i) => ({ site: `s${i}`, lat: 1, lon: i, slots: 100, uplinks }));
    const figures = { ramBytes: 1e9, dirtyRateBps: 1e6, workingSetBytes: 1e8 };
    const vms = many.map((i) => ({ vm: `g::v${100 + i}`, home: `s${i}`, spec: figures, affinity }));
    const text = (n: number) => stringify({ sites, vms: vms.slice(0, n) });
    expect(parseConfig(text(MAX_RELATED), 'f').vms).toHaveLength(MAX_RELATED);
    for (const n of [MAX_RELATED + 1, MAX_RELATED + 2]) {
      const { code, message } = refusal(text(n));
      expect(code).toBe('CONFIG_INVALID');
      expect(message).toContain(`vms.${MAX_RELATED}.affinity.${member}: is one VM too many`);
    }
  });

  test('name the first fault of the file', () => {
    expect(refusal('policy: { margin: 0 }\nhttp: { port: -1 }\nbus: { x: 1 }').message).toContain(':1: policy.margin');
  });

  test('name the line of any misspelt key, and suggest the right one', () => {
    const lines = stringify(DEFAULT_CONFIG).split('\n');
    const keyed = [...lines.entries()].filter(([, line]) => line.includes(':'));
    expect(keyed.length).toBeGreaterThan(50);
    for (const [i, line] of keyed) {
      const key = line.trim().split(':')[0]!;
      const misspelt = lines.with(i, line.replace(key, `${key}${key.at(-1)}`)).join('\n');
      expect(refusal(misspelt).message).toMatch(new RegExp(`^tagalong\\.yaml:${i + 1}: .*; did you mean ${key}\\?$`));
    }
  });

  test('never contain a secret', () => {
    for (const section of ['http: { token: SECRET }', 'ingest: { pseudonymKey: SECRET }']) {
      const { message } = refusal(section);
      expect(message).toContain('has 6 characters; give a text of 16 to 512 characters');
      expect(message).not.toContain('SECRET');
    }
    expect(refusal('http: { token: 4242424242424242424242 }').message).not.toContain('4242');
  });

  test('concern an address that others can reach without a token', () => {
    expect(parseConfig('http: { host: 0.0.0.0, token: 0123456789abcdeX }', 'f').http.host).toBe('0.0.0.0');
    for (const host of ['localhost', '127.0.0.1', '127.8.9.1', '::1']) {
      expect(parseConfig(`http: { host: "${host}" }`, 'f').http.host).toBe(host);
    }
    for (const host of ['::', '127.0.0.1.example.org', '10.0.0.1'])
      expect(refusal(`http: { host: "${host}" }`).code).toBe('CONFIG_INVALID');
  });

  test('are TagalongErrors', () => {
    expect(() => parseConfig('x', 'f')).toThrow(TagalongError);
  });
});
