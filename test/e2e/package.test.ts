/** The npm package is built, packed and installed by npm, and runs on an older Node than the checkout. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { onlyLong } from '../long.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
const NAME = '@tagalong/tagalong';
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const run = promisify(execFile);

/** The folder of an installed Node from 20 to 23, which cannot run our TypeScript. */
function olderNode(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
  return folders.find((folder) => {
    if (!existsSync(join(folder, 'node'))) return false;
    const version = execFileSync(join(folder, 'node'), ['--version'], { encoding: 'utf8' });
    return /^v2[0-3]\./.test(version);
  });
}

const older = olderNode();
const env = { ...process.env, PATH: `${older}${delimiter}${process.env.PATH}`, NO_COLOR: '1' };

/** Installs a tarball with npm below a folder, without a registry. @returns the path of the program */
async function install(tarball: string, prefix: string): Promise<string> {
  await run('npm', ['install', '--global', '--offline', '--no-audit', '--no-fund', '--prefix', prefix, tarball], {
    env,
  });
  return join(prefix, 'bin/tagalong');
}

/** Packs a folder. @returns the path of the tarball */
async function pack(from: string, to: string): Promise<string> {
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', to], { cwd: from, env });
  return join(to, stdout.trim().split('\n').at(-1)!);
}

const promise = 'the package, installed globally, runs on Node 20';
describe.skipIf(!older)(older ? promise : `${promise} (skipped: no Node 20 to 23 in PATH)`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'tagalong-package-'));
  const prefix = join(folder, 'prefix');
  let program: string;
  const tagalong = (args: readonly string[]) => run(program, args, { cwd: folder, env });

  beforeAll(async () => {
    // It uses the dependencies of the checkout. The long run packs and unpacks their ten thousand files.
    await run(join(ROOT, 'node_modules/.bin/node'), [join(ROOT, 'deploy/package/build.ts')]);
    const stage = join(folder, 'stage');
    for (const path of manifest.files) cpSync(join(ROOT, path), join(stage, path), { recursive: true });
    const { dependencies: _, bundleDependencies: __, scripts: ___, ...rest } = manifest;
    writeFileSync(join(stage, 'package.json'), JSON.stringify(rest));
    program = await install(await pack(stage, folder), prefix);
    symlinkSync(join(ROOT, 'node_modules'), join(prefix, 'lib/node_modules', NAME, 'node_modules'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('it prints its version and commit, and the help of its commands', async () => {
    const version = await tagalong(['--version']);
    const [, number, commit] = /^(\S+)(?: \(([0-9a-f]{7,}(?:-dirty)?)\))?\n$/.exec(version.stdout)!;
    expect(number).toBe(manifest.version);
    if (existsSync(join(ROOT, '.git'))) expect(commit).toBeDefined();
    const all = await tagalong(['help']);
    for (const name of ['start', 'simulate', 'completion']) expect(all.stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    expect((await tagalong(['help', 'simulate'])).stdout).toContain('Usage: tagalong simulate [options]');
    await expect(tagalong(['help', 'nothing'])).rejects.toMatchObject({ code: 2 });
  });

  test('it simulates the shipped example with the figures of the checkout', async () => {
    const example = (root: string) =>
      ['trace=commute.csv', 'sites=sites.csv'].flatMap((pair) => {
        const [option, file] = pair.split('=');
        return [`--${option}`, join(root, 'simulations/examples', file!)];
      });
    const dist = join(prefix, 'lib/node_modules', NAME, 'dist');
    const report = join(folder, 'report.html');
    const installed = await tagalong(['simulate', ...example(dist), '--csv', '-', '--report', report]);
    const node = join(ROOT, 'node_modules/.bin/node');
    const sources = await run(node, [join(ROOT, 'deploy/cli/main.ts'), 'simulate', ...example(ROOT), '--csv', '-']);
    expect(installed.stdout).toBe(sources.stdout);
    expect(installed.stdout.split('\n').length).toBeGreaterThan(2);
    expect(readFileSync(report, 'utf8')).toContain('tagalong simulate');
  });

  test('it starts, and serves the dashboard with its modules as JavaScript', async () => {
    const child = spawn(program, ['start', '--port', '0'], { cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] });
    const gone = once(child, 'exit');
    try {
      const url = await new Promise<string>((found, lost) => {
        let output = '';
        child.stderr.setEncoding('utf8').on('data', (text: string) => {
          output += text;
          const [address] = /http:\/\/[\w.:]+(?=\s)/.exec(output) ?? [];
          if (address !== undefined) found(address);
        });
        gone.then(() => lost(new Error(`it ended: ${output}`)));
      });
      const page = await (await fetch(url)).text();
      const [, main] = /src="(\/assets\/page\/[^"]+\.ts)"/.exec(page)!;
      const source = await (await fetch(url + main)).text();
      const modules = [...source.matchAll(/from '([^']+\.ts)'/g)].map(([, path]) => new URL(path!, url + main).href);
      expect(modules.length).toBeGreaterThan(1);
      for (const module of modules) {
        const answer = await fetch(module);
        expect([module, answer.status]).toEqual([module, 200]);
        expect(await answer.text()).not.toMatch(/^(export )?interface /m);
      }
    } finally {
      child.kill('SIGTERM');
    }
    expect(await gone).toEqual([0, null]);
  });
});

onlyLong(() => {
  describe.skipIf(!older)(
    older ? `${promise} with all its dependencies` : `${promise} with all (skipped: no Node 20)`,
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'tagalong-package-'));
      afterAll(() => rmSync(folder, { recursive: true, force: true }));

      test('installs from the tarball alone, without a registry', { timeout: 900_000 }, async () => {
        const program = await install(await pack(ROOT, folder), join(folder, 'prefix'));
        const { stdout } = await run(program, ['simulate', '--policy', 'never', '--csv', '-'], { cwd: folder, env });
        expect(stdout).toContain('never');
      });
    },
  );
});
