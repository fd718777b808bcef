import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { DEFAULT_CONFIG, loadConfig } from '#shared/config/load.ts';
import { ConfigSchema } from '#shared/config/schema.ts';

const path = new URL('../../../deploy/tagalong.example.yaml', import.meta.url).pathname;
const text = readFileSync(path, 'utf8');

test('the example configuration is a valid one: its VM runs at one of its sites, and the two sites have two paths', async () => {
  const { sites, vms, http, ingest } = await loadConfig(path);
  expect(sites.map(({ site }) => site)).toEqual(['boston', 'new-york']);
  expect(sites.map(({ uplinks }) => uplinks.map(({ provider }) => provider))).toEqual([
    ['a', 'b'],
    ['a', 'b'],
  ]);
  expect(vms).toMatchObject([{ vm: 'desktop-1', home: 'boston', sessions: [{ user: 'alice', weight: 1 }] }]);
  // Whoever copies it begins with both of them on.
  expect(http.token).toBeDefined();
  expect(ingest.pseudonymKey).toBeDefined();
});

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

/** Every key of a schema, as `a.b.c`; what is in a list as `a.[].b`. */
function keysOf({ properties = {}, items }: Schema, at = ''): string[] {
  if (items !== undefined) return keysOf(items, `${at}[].`);
  return Object.entries(properties).flatMap(([key, schema]) => [at + key, ...keysOf(schema, `${at}${key}.`)]);
}

/** The same of a value. */
function keysIn(value: unknown, at = ''): string[] {
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((one) => keysIn(one, `${at}[].`));
  return Object.entries(value).flatMap(([key, inside]) => [at + key, ...keysIn(inside, `${at}${key}.`)]);
}

describe('the example names every key there is', () => {
  const keys = keysOf(ConfigSchema as unknown as Schema);
  // What has no default is behind a # without a blank.
  const whole = parse(text.replaceAll(/^( *)#(?=[\w-])/gm, '$1'));

  test('and no other', () => {
    expect(keys.length).toBeGreaterThan(100);
    expect(keys).toContain('sites.[].uplinks.[].rateBps');
    expect([...new Set(keysIn(whole))].toSorted()).toEqual([...new Set(keys)].toSorted());
  });

  test('with its default as its value, where it has one', async () => {
    const { sites: _, vms: __, ...given } = await loadConfig(path);
    const { sites: ___, vms: ____, ...defaults } = DEFAULT_CONFIG;
    const { http, ingest } = given;
    expect({
      ...given,
      http: { ...http, token: undefined },
      ingest: { ...ingest, pseudonymKey: undefined },
    }).toEqual({ ...defaults, http: { ...defaults.http, token: undefined } });
  });

  test('and explains it in a comment above, but for those that the one before them explains', () => {
    // The second of two sites is as the first.
    const lines = text.split('\n');
    const keyOf = (line: string) => /^ *#?(?:- )?([a-zA-Z]\w*):/.exec(line)?.[1];
    const bare = lines.flatMap((line, i) => {
      const isRepeat = i >= lines.indexOf('  - site: new-york') && i < lines.indexOf('vms:');
      const isExplained = lines[i - 1]?.trimStart().startsWith('# ');
      return isRepeat || isExplained ? [] : (keyOf(line) ?? []);
    });
    // A section whose keys are explained, or the second half of a pair.
    const sections = ['http', 'log', 'hypervisor'];
    expect(bare.toSorted()).toEqual(
      [...sections, 'lon', 'workingSetBytes', 'user', 'password', 'key', 'key'].toSorted(),
    );
  });
});
