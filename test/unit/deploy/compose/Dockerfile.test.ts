/** The image of deploy/compose/Dockerfile, as far as a test can check it without a build. */
import { execFile } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { createHttp } from '#services/runtime/http.ts';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { importedModules } from '../../source-rules.ts';

const root = new URL('../../../../', import.meta.url).pathname;
const text = (path: string) => readFileSync(root + path, 'utf8');
const dockerfile = text('deploy/compose/Dockerfile');
const manifest = JSON.parse(text('package.json'));
const { bundleDependencies, dependencies, devDependencies } = manifest;

/** The folders of its sources. */
const folders = ['shared', 'services', 'simulations', 'deploy'];

test('its sources import only packages that the npm package holds', () => {
  // Benchmarks run from a checkout only.
  const files = globSync(`{${folders.join()}}/**/*.ts`, { cwd: root }).filter((path) => !path.includes('/bench/'));
  const imports = files.flatMap((path) => importedModules(text(path)));
  const from = new Set(imports.filter((name) => !name.startsWith('.') && !name.startsWith('node:')));
  const packages = [...from].filter((name) => !name.startsWith('#'));
  expect(packages.length).toBeGreaterThan(10);
  for (const name of packages) {
    const [scope, rest] = name.split('/');
    expect(dependencies, name).toHaveProperty([scope!.startsWith('@') ? `${scope}/${rest}` : scope!]);
  }
  expect(bundleDependencies).toBe(true);
  for (const name of from) if (name.startsWith('#')) expect(folders).toContain(/^#(\w+)\//.exec(name)![1]);
});

test('its context holds all files that the package is built from', () => {
  const given = text('deploy/compose/Dockerfile.dockerignore').split('\n');
  for (const path of [...folders, 'package.json', 'package-lock.json', 'tsconfig.json']) {
    expect(given).toContain(`!${path}`);
  }
});

test('each file that it copies or binds exists: in its context, or made by an earlier line', () => {
  const given = text('deploy/compose/Dockerfile.dockerignore').split('\n');
  const names = given.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
  for (const path of [...names, ...manifest.files])
    expect([path, path === 'dist' || existsSync(root + path)]).toEqual([path, true]);
  for (const path of ['package.json', 'README.md', 'LICENSE']) expect(names).toContain(path);
  const copies = [...dockerfile.matchAll(/^(?:COPY|ADD) (?!--from)(.*) \S+$/gm)].flatMap(([, from]) =>
    from!.split(' '),
  );
  expect(copies).toEqual(['.']);
  const bound = [...dockerfile.matchAll(/from=(\w+),source=([\w./]+)/g)];
  expect(bound.length).toBe(1);
  for (const [, stage, path] of bound) {
    const [, lines] = new RegExp(`^FROM \\S+ AS ${stage}\n(.*?)^FROM`, 'ms').exec(dockerfile)!;
    expect(lines).toMatch(new RegExp(`^RUN .* ${path}$`, 'm'));
  }
});

test('it has the Node.js version of the tests, and its user is not root', () => {
  const [, version] = /^ARG BASE=node:([\d.]+)-/m.exec(dockerfile)!;
  expect(version).toBe(devDependencies.node);
  expect(dockerfile.match(/^FROM .*$/gm)?.length).toBe(2);
  expect(dockerfile.match(/^FROM \$\{BASE\}/gm)?.length).toBe(2);
  expect(dockerfile).toMatch(/^USER node$/m);
  expect(dockerfile.indexOf('USER node')).toBeGreaterThan(dockerfile.lastIndexOf('RUN'));
});

test('it is healthy only while its service is ready', async () => {
  const surface = await createHttp({ config: { ...DEFAULT_CONFIG.http, port: 0 }, log: createLog('silent') });
  let ready = false;
  surface.health('a service', () => ready);
  const { port } = await surface.listen();
  const [, words] = /HEALTHCHECK [^\\]*\\\n *CMD (\[.*\])/.exec(dockerfile)!;
  const [, ...args] = JSON.parse(words!.replace(':8080', `:${port}`)) as string[];
  const status = () =>
    promisify(execFile)(`${root}node_modules/.bin/node`, args).then(
      () => 0,
      ({ code }) => code,
    );
  expect(await status()).toBe(1);
  ready = true;
  expect(await status()).toBe(0);
  await surface.close();
  expect(await status()).toBe(1);
});
