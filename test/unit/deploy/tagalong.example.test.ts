import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { DEFAULT_CONFIG, loadConfig } from '#shared/config/load.ts';
import { ConfigSchema } from '#shared/config/schema.ts';

const path = new URL('../../../deploy/tagalong.example.yaml', import.meta.url).pathname;
const text = readFileSync(path, 'utf8');

test('the example configuration is valid: its VM has a home, and its two sites have two paths', async () => {
  const { sites, vms, http, ingest } = await loadConfig(path);
  expect(sites.map(({ site }) => site)).toEqual(['boston', 'new-york']);
  expect(sites.map(({ uplinks }) => uplinks.map(({ provider }) => provider))).toEqual([
    ['a', 'b'],
    ['a', 'b'],
  ]);
  expect(vms).toMatchObject([{ vm: 'desktop-1', home: 'boston', sessions: [{ user: 'alice', weight: 1 }] }]);
  // A copy of the example has both settings on.
  expect(http.token).toBeDefined();
  expect(ingest.pseudonymKey).toBeDefined();
});

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

/** All keys of a schema, as `a.b.c`; keys in a list as `a.[].b`. */
function keysOf({ properties = {}, items }: Schema, at = ''): string[] {
  if (items !== undefined) return keysOf(items, `${at}[].`);
  return Object.entries(properties).flatMap(([key, schema]) => [at + key, ...keysOf(schema, `${at}${key}.`)]);
}

/** All keys of a value, in the same form. */
function keysIn(value: unknown, at = ''): string[] {
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((one) => keysIn(one, `${at}[].`));
  return Object.entries(value).flatMap(([key, inside]) => [at + key, ...keysIn(inside, `${at}${key}.`)]);
}

describe('the example', () => {
  const keys = keysOf(ConfigSchema as unknown as Schema);
  // Keys without a default are commented out with a # without a blank.
  const whole = parse(text.replaceAll(/^( *)#(?=[\w-])/gm, '$1'));

  test('names every key, and no other', () => {
    expect(keys.length).toBeGreaterThan(100);
    expect(keys).toContain('sites.[].uplinks.[].rateBps');
    expect([...new Set(keysIn(whole))].toSorted()).toEqual([...new Set(keys)].toSorted());
  });

  test('gives the default of each key that has one', async () => {
    const { sites: _, vms: __, ...given } = await loadConfig(path);
    const { sites: ___, vms: ____, ...defaults } = DEFAULT_CONFIG;
    const { http, ingest } = given;
    expect({
      ...given,
      http: { ...http, token: undefined },
      ingest: { ...ingest, pseudonymKey: undefined },
    }).toEqual({ ...defaults, http: { ...defaults.http, token: undefined } });
  });

  test('explains each key in a comment above', () => {
    // The second site repeats the keys of the first.
    const lines = text.split('\n');
    const keyOf = (line: string) => /^ *#?(?:- )?([a-zA-Z]\w*):/.exec(line)?.[1];
    const bare = lines.flatMap((line, i) => {
      const isRepeat = i >= lines.indexOf('  - site: new-york') && i < lines.indexOf('vms:');
      const isExplained = lines[i - 1]?.trimStart().startsWith('# ');
      return isRepeat || isExplained ? [] : (keyOf(line) ?? []);
    });
    // Sections, and second keys of a pair, need no comment.
    const sections = ['http', 'log', 'hypervisor'];
    expect(bare.toSorted()).toEqual(
      [...sections, 'lon', 'workingSetBytes', 'user', 'password', 'key', 'key'].toSorted(),
    );
  });
});
