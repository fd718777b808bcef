/**
 * Builds what the npm package holds, into dist: the sources as JavaScript that Node 20 runs, and beside them, in the same
 * folders, the files that they read. `npm run build` starts it, and so does `npm pack`.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { extname } from 'node:path';
import { PAGE_MODULES } from '#services/dashboard/assets.ts';
import { commitOf } from '#shared/version.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
const DIST = `${ROOT}dist/`;
const FOLDERS = ['shared', 'services', 'simulations', 'deploy'];
/** The files that start a process or a thread. */
const PROGRAMS = ['deploy/cli/main.js', '**/*.main.js', '**/*.worker.js'];
/** These files serve the work on the sources, not the command. */
const NOT_SHIPPED = /(^|\/)(tsconfig\.json|Dockerfile.*|.*\.png)$/;
const POLYFILL = '#deploy/package/older-node.ts';

rmSync(DIST, { recursive: true, force: true });
execFileSync(`${ROOT}node_modules/.bin/tsc`, ['--project', `${ROOT}deploy/package`], { stdio: 'inherit' });
copyFiles();
stripPageModules();
for (const path of globSync('**/*.js', { cwd: DIST })) nameBuiltPrograms(path);
for (const path of globSync(PROGRAMS, { cwd: DIST })) supplyOlderNode(path);
writeManifest();

/** Everything but TypeScript keeps its place, so that `new URL('file', import.meta.url)` finds it. */
function copyFiles(): void {
  const paths = globSync(`{${FOLDERS.join()}}/**/*`, { cwd: ROOT, withFileTypes: true })
    .filter((entry) => entry.isFile() && extname(entry.name) !== '.ts')
    .map(({ parentPath, name }) => `${parentPath}/${name}`.slice(ROOT.length));
  for (const path of paths) if (!NOT_SHIPPED.test(path)) cpSync(ROOT + path, DIST + path);
}

/** Browsers load these under their names in the sources; older Node cannot strip their types when it serves them. */
function stripPageModules(): void {
  for (const path of PAGE_MODULES) {
    const to = DIST + path.slice(ROOT.length);
    cpSync(path, to);
    writeFileSync(to, stripTypeScriptTypes(readFileSync(path, 'utf8')));
  }
}

/** A program that is started by its file has another name in dist. The compiler does not see that in a URL. */
function nameBuiltPrograms(path: string): void {
  const source = readFileSync(DIST + path, 'utf8');
  const built = source.replaceAll(/(new URL\('[^']+)\.ts(', import\.meta\.url\))/g, '$1.js$2');
  if (built !== source) writeFileSync(DIST + path, built);
}

function supplyOlderNode(path: string): void {
  const source = readFileSync(DIST + path, 'utf8');
  const [first, ...rest] = source.split('\n');
  const lines = first!.startsWith('#!') ? [first, `import '${POLYFILL}';`, ...rest] : [`import '${POLYFILL}';`, source];
  writeFileSync(DIST + path, lines.join('\n'));
}

/** Says which Tagalong this is, and where `#shared/x.ts` lies now. */
function writeManifest(): void {
  const { name, version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
  const imports = Object.fromEntries(FOLDERS.map((folder) => [`#${folder}/*.ts`, `./${folder}/*.js`]));
  const commit = commitOf(ROOT);
  const manifest = { name, version, ...(commit && { commit }), private: true, type: 'module', imports };
  writeFileSync(`${DIST}package.json`, `${JSON.stringify(manifest, null, 2)}\n`);
}
