import { globSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  codeOf,
  directionFaults,
  importsOf,
  lengthFaults,
  mirrorFaults,
  purityFaults,
  undocumentedExports,
} from './source-rules.ts';

const root = new URL('../../', import.meta.url).pathname;
const files = globSync('{shared,services,simulations,deploy,test}/**/*.ts', { cwd: root })
  .sort()
  .map((path) => ({ path, text: readFileSync(root + path, 'utf8') }));

/** The faults of all our files by one rule. */
function faultsBy(rule: (path: string, text: string) => string[]): string[] {
  return files.flatMap(({ path, text }) => rule(path, text));
}

describe('the house', () => {
  test('is looked at as a whole', () => {
    expect(files.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['shared/errors.ts', 'shared/events/types.ts', 'test/unit/architecture.test.ts']),
    );
    // Were imports not found, none could be wrong.
    const types = files.find(({ path }) => path === 'shared/events/codec.ts');
    expect(importsOf(types?.text ?? '').map(({ from }) => from)).toEqual([
      'typebox',
      'typebox/compile',
      '../errors.ts',
      './types.ts',
    ]);
  });

  test('imports point one way', () => {
    expect(faultsBy(directionFaults)).toEqual([]);
  });

  test('the core is pure', () => {
    expect(faultsBy(purityFaults)).toEqual([]);
  });

  test('every export of the ports, their adapters and the events has a docstring', () => {
    const covered = /^shared\/(bus|store|clock|random|hypervisor|events)\//;
    expect(faultsBy((path, text) => (covered.test(path) ? undocumentedExports(path, text) : []))).toEqual([]);
  });

  test('no file is too long to read', () => {
    expect(faultsBy(lengthFaults)).toEqual([]);
  });
});

describe('the mirror of the product under test/unit', () => {
  const product = globSync(['{shared,services,simulations,deploy}/**', 'test/*.ts'], { cwd: root });

  test('each unit test lies where the file or the folder that it tests lies', () => {
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

describe('the rule of direction', () => {
  test.each([
    ['shared/bus/x.ts', `import { a } from '#services/ingest/service.ts';`],
    ['shared/bus/x.ts', `export * from '../../services/ingest/service.ts';`],
    ['shared/bus/x.ts', `import type { A } from '#test/unit/x.ts';`],
    ['services/ingest/x.ts', `import {\n  a,\n  b,\n} from '#simulations/engine.ts';`],
    ['services/ingest/x.ts', `const a = await import('#deploy/cli/main.ts');`],
    ['simulations/x.ts', `import '#deploy/cli/main.ts';`],
    ['deploy/cli/x.ts', `import { a } from "../../test/unit/x.ts";`],
  ])('%s must not say %s', (path, text) => {
    expect(directionFaults(path, text).length).toBe(1);
  });

  test.each([
    ['services/ingest/x.ts', `import { a } from '#shared/bus/bus.ts';\nimport { b } from './b.ts';`],
    ['simulations/x.ts', `import { a } from '#services/ingest/service.ts';`],
    ['test/unit/x.ts', `import { a } from '#deploy/cli/main.ts';`],
    ['shared/bus/x.ts', `// import { a } from '#services/x.ts';\nconst a = "import b from '#services/x.ts'";`],
    ['shared/bus/x.ts', `const a = \`import b from '#services/x.ts'\`;\nimport fastify from 'fastify';`],
  ])('%s may say %s', (path, text) => {
    expect(directionFaults(path, text)).toEqual([]);
  });
});

describe('the rule of purity', () => {
  test.each([
    `const t = Date.now();`,
    `const t = new Date();`,
    `const t = new Date;`,
    `const t = Date();`,
    `const r = Math.random();`,
    `const e = process.env.HOME;`,
    `const { env } = process;`,
    `setTimeout(f, 10);`,
    `setInterval(f, 10);`,
    `globalThis.setImmediate(f);`,
    `console.log('a');`,
    `const t = globalThis.performance.now();`,
    `const t = performance.now();`,
    `const id = crypto.randomUUID();`,
    `const text = \`at \${Date.now()}\`;`,
    `const isSlash = /[/'"]/.test(a); const t = Date.now();`,
    `import { readFileSync } from 'node:fs';`,
    `import type { Readable } from 'node:stream';`,
    `import fastify from 'fastify';`,
    `import xstateful from 'xstateful';`,
    `import { memoryBus } from '#shared/bus/memory.ts';`,
    `import { memoryBus, type MemoryBus } from '../bus/memory.ts';`,
  ])('the core must not say %s', (text) => {
    expect(purityFaults('shared/policy/x.ts', text).length).toBe(1);
  });

  test.each([
    `const t = new Date(atMs).toISOString();`,
    `// Date.now() would do here, but process.env and console.log would not.`,
    `const text = 'setTimeout, Math.random and process.exit';`,
    `const text = \`process \${a} and console \${\`Math.random\`}\`;`,
    `const pattern = /console|process/;`,
    `const done = state.process; const processed = reprocess; step.fetch(1);`,
    `import { Compile } from 'typebox/compile';`,
    `import type { Clock } from '#shared/clock/clock.ts';`,
    `import { type Clock, type Cancel } from '#shared/clock/clock.ts';`,
    `import { pathsBetween } from '../model/paths.ts';`,
  ])('the core may say %s', (text) => {
    expect(purityFaults('shared/policy/x.ts', text)).toEqual([]);
  });

  test('the edge is not bound by it', () => {
    expect(purityFaults('shared/clock/real.ts', `Date.now();`)).toEqual([]);
    expect(purityFaults('shared/events/asyncapi.main.ts', `import 'node:fs';`)).toEqual([]);
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
  ])('misses one at %s', (text) => {
    expect(undocumentedExports('shared/x.ts', `import './a.ts';\n${text}`)).toEqual(['shared/x.ts: f']);
  });

  test.each([
    `/** What f is. */\nexport const f = 1;`,
    `/**\n * What f is.\n */\nexport function f() {}`,
    `export * from './a.ts';\nexport { a } from './b.ts';`,
    `/** What f is. */\nexport const f = schema();\nexport type f = Static<typeof f>;`,
    `const text = \`\nexport const f = 1;\n\`;`,
  ])('is content with %s', (text) => {
    expect(undocumentedExports('shared/x.ts', `import './a.ts';\n${text}`)).toEqual([]);
  });

  test('takes the docstring at the head of a file for that of its first export only', () => {
    const text = `/** The port. */\nimport './a.ts';\n\nexport interface Port {}\nexport interface Other {}`;
    expect(undocumentedExports('shared/x.ts', text)).toEqual(['shared/x.ts: Other']);
  });
});

test('a file of 400 lines is not too long, one of 401 is', () => {
  expect(lengthFaults('shared/x.ts', 'a\n'.repeat(400))).toEqual([]);
  expect(lengthFaults('shared/x.ts', 'a\n'.repeat(401)).length).toBe(1);
});

test('code is what is left without comments and strings, each character at its place', () => {
  const text = `a('b // c'); /* d */ e(\`f \${g('h')} i\`); // j\nk = l / m / n; o = /p'q/g;`;
  const code = codeOf(text);
  expect(code.length).toBe(text.length);
  expect(code.replace(/ +/g, ' ')).toBe(`a(' '); e(\` \${g(' ')} \`); \nk = l / m / n; o = ;`);
});
