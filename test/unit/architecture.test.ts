/**
 * The rules for source files. `npm run lint` applies the rules of biome.json to all files. Here deliberate violations show that each
 * rule works. This file also applies the rules of source-rules.ts.
 */
import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { mirrorFaults, undocumentedExports } from './source-rules.ts';

const root = new URL('../../', import.meta.url).pathname;
const biome = `${root}node_modules/@biomejs/biome/bin/biome`;

/** A file that does not exist, with lines that the linter must refuse, each alone, and lines that it must accept. */
interface Sample {
  readonly refused: readonly string[];
  readonly accepted: readonly string[];
}

const RULES = [
  'style/noRestrictedImports',
  'style/noRestrictedGlobals',
  'nursery/noJsRestrictedProperties',
  'style/noExcessiveLinesPerFile',
];

/** Lints texts as files at these paths of the repository. @returns the numbers of the faulty lines, by path */
async function refusedLines(files: Readonly<Record<string, string>>): Promise<Record<string, number[]>> {
  const folder = await mkdtemp(join(tmpdir(), 'tagalong-lint-'));
  try {
    await cp(`${root}biome.json`, join(folder, 'biome.json'));
    for (const [path, text] of Object.entries(files)) {
      await mkdir(join(folder, dirname(path)), { recursive: true });
      await writeFile(join(folder, path), text);
    }
    const args = ['lint', '--vcs-enabled=false', '--max-diagnostics=none', '--reporter=github'];
    const only = RULES.map((rule) => `--only=${rule}`);
    const report = await new Promise<string>((resolve) => {
      execFile(process.execPath, [biome, ...args, ...only, '.'], { cwd: folder }, (_fault, stdout) => resolve(stdout));
    });
    const refused = Object.fromEntries(Object.keys(files).map((path) => [path, [] as number[]]));
    for (const [, file, line] of report.matchAll(/^::error title=\S*?,file=([^,]+),line=(\d+)/gm)) {
      const path = Object.keys(files).find((name) => file === name || file!.endsWith(`/${name}`))!;
      refused[path]!.push(Number(line));
    }
    for (const lines of Object.values(refused)) lines.sort((a, b) => a - b);
    return refused;
  } finally {
    await rm(folder, { recursive: true });
  }
}

const SAMPLES: Readonly<Record<string, Sample>> = {
  // The core is pure: the same input gives the same output, live, replayed and simulated.
  'shared/policy/evaluate/x.ts': {
    refused: [
      `const t1 = Date.now();`,
      `const t2 = new Date();`,
      `const t3 = Date();`,
      `const r = Math.random();`,
      `const e = process.env.HOME;`,
      `const { env } = process;`,
      `setTimeout(f, 10);`,
      `setInterval(f, 10);`,
      `globalThis.setImmediate(f);`,
      `queueMicrotask(f);`,
      `console.log('a');`,
      `const t4 = globalThis.performance.now();`,
      `const t5 = performance.now();`,
      `const id = crypto.randomUUID();`,
      `fetch('http://a');`,
      `const text1 = \`at \${Date.now()}\`;`,
      `const isSlash = /[/'"]/.test(a) && Date.now();`,
      `import { readFileSync } from 'node:fs';`,
      `import type { Readable } from 'node:stream';`,
      `import fastify from 'fastify';`,
      `import xstateful from 'xstateful';`,
      `import { memoryBus } from '#shared/bus/memory.ts';`,
      `import { memoryBus as bus, type MemoryBus } from '../../bus/memory.ts';`,
      `import { a1 } from '#services/ingest/service.ts';`,
    ],
    accepted: [
      `// Date.now() would do here, but process.env and console.log would not.`,
      `const text2 = 'setTimeout, Math.random and process.exit';`,
      `const text3 = \`process \${a} and console \${\`Math.random\`}\`;`,
      `const pattern = /console|process/;`,
      `const done = state.process; step.fetch(1);`,
      `import { Compile } from 'typebox/compile';`,
      `import type { Hypervisor } from '../../hypervisor/hypervisor.ts';`,
      `import { pathsBetween } from '../../model/paths.ts';`,
      `import { b } from './b.ts';`,
    ],
  },
  // Imports point one way.
  'shared/bus/x.ts': {
    refused: [
      `import { a } from '#services/ingest/service.ts';`,
      `export * from '../../services/ingest/service.ts';`,
      `import type { A } from '../../test/unit/x.ts';`,
      `import '#simulations/engine.ts';`,
      `import '#deploy/cli/main.ts';`,
    ],
    accepted: [
      `import { b } from './b.ts';`,
      `import { log } from '../log.ts';`,
      `import fastify from 'fastify';`,
      `// import { a } from '#services/x.ts';`,
      `const text = "import b from '#services/x.ts'";`,
      `const template = \`import b from '#services/x.ts'\`;`,
      `const t = Date.now();`,
    ],
  },
  'shared/events/x.main.ts': { refused: [], accepted: [`import 'node:fs';`, `console.log(Date.now());`] },
  'services/ingest/x.ts': {
    refused: [
      `const a = await import('#deploy/cli/main.ts');`,
      `import { b } from '#simulations/engine.ts';`,
      `import { c } from '../../simulations/engine.ts';`,
    ],
    accepted: [`import { d } from '#shared/bus/bus.ts';`, `import { e } from './deploy.ts';`],
  },
  'simulations/x.ts': {
    refused: [`import '#deploy/cli/main.ts';`, `import '../test/unit/x.ts';`],
    accepted: [`import { a } from '#services/ingest/service.ts';`],
  },
  'deploy/cli/x.ts': {
    refused: [`import { a } from "../../test/unit/x.ts";`],
    accepted: [`import { b } from '#simulations/engine.ts';`, `import { c } from '../testbed/x.ts';`],
  },
  'test/unit/x.ts': { refused: [], accepted: [`import { a } from '#deploy/cli/main.ts';`] },
};

describe('the linter', () => {
  test('refuses each impure line and each import in the wrong direction, and no other line', async () => {
    const files = Object.entries(SAMPLES).map(([path, { refused, accepted }]) => [
      path,
      `${[...refused, ...accepted].join('\n')}\n`,
    ]);
    const expected = Object.entries(SAMPLES).map(([path, { refused }]) => [path, refused.map((_line, i) => i + 1)]);
    expect(await refusedLines(Object.fromEntries(files))).toEqual(Object.fromEntries(expected));
  });

  test('accepts a file of 400 lines, and refuses one of 401', async () => {
    const text = (lines: number) => Array.from({ length: lines }, (_line, i) => `a(${i});\n`).join('');
    const refused = await refusedLines({ 'shared/a.ts': text(400), 'shared/b.ts': text(401) });
    expect(refused['shared/a.ts']).toEqual([]);
    expect(refused['shared/b.ts']).toHaveLength(1);
  });
});

test('every export of the ports, their adapters, the events, the cores and the services that run them or hosts has a docstring', () => {
  const ports = 'shared/{bus,store,nats,kafka,connection,clock,time,random,hypervisor,events}/**/*.ts';
  const cores = 'shared/{geo,migration,model,policy,state-machine}/**/*.ts';
  const services = 'services/{runtime,placement,migrator,process,agent,sites}/**/*.ts';
  const files = globSync([ports, cores, services, 'shared/core.ts', 'shared/recent.ts'], { cwd: root });
  const some = [
    'shared/bus/bus.ts',
    'shared/events/types.ts',
    'shared/policy/placement.ts',
    'services/placement/service.ts',
    'services/agent/agent.ts',
  ];
  expect(files).toEqual(expect.arrayContaining(some));
  const faults = files.flatMap((path) => undocumentedExports(path, readFileSync(root + path, 'utf8')));
  expect(faults).toEqual([]);
});

describe('the mirror of the product under test/unit', () => {
  const product = globSync(['{shared,services,simulations,deploy}/**', 'test/*.ts'], { cwd: root });

  test('each unit test lies at the path of the file or the folder that it tests', () => {
    expect(mirrorFaults(globSync('test/unit/**/*.ts', { cwd: root }), product)).toEqual([]);
  });

  test.each([
    'test/unit/policy/scan.test.ts',
    'test/unit/shared/policy/nothing.test.ts',
    'test/unit/shared/nothing/world.ts',
    'test/unit/x.ts',
  ])('%s has no counterpart', (file) => {
    expect(mirrorFaults([file], product)).toEqual([expect.stringContaining(file)]);
  });
});

describe('the rule of docstrings', () => {
  test.each([
    `export function f() {}`,
    `export async function f() {}`,
    `export class f {}`,
    `export const f = 1;`,
    `export interface f {}`,
    `export type f = 1;`,
    `// A remark.\nexport const f = 1;`,
    `/* A remark. */\nexport const f = 1;`,
    `/** Too far away. */\n\nconst a = 1;\nexport const f = 1;`,
  ])('reports %s without one', (text) => {
    expect(undocumentedExports('shared/x.ts', `import './a.ts';\n${text}`)).toEqual(['shared/x.ts: f']);
  });

  test.each([
    `/** What f is. */\nexport const f = 1;`,
    `/**\n * What f is.\n */\nexport function f() {}`,
    `export * from './a.ts';\nexport { a } from './b.ts';`,
    `/** What f is. */\nexport const f = schema();\nexport type f = Static<typeof f>;`,
  ])('accepts %s', (text) => {
    expect(undocumentedExports('shared/x.ts', `import './a.ts';\n${text}`)).toEqual([]);
  });

  test('counts the docstring at the head of a file for its first export only', () => {
    const text = `/** The port. */\nimport './a.ts';\n\nexport interface Port {}\nexport interface Other {}`;
    expect(undocumentedExports('shared/x.ts', text)).toEqual(['shared/x.ts: Other']);
  });
});
