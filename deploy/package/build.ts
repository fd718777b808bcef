/**
 * Builds the content of the npm package into dist: the sources as JavaScript that Node 20 runs, and the files that they read, in
 * the same folders. `npm run build` and `npm pack` start it.
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
/** The files with which a process or a thread starts. */
const PROGRAMS = ['deploy/cli/main.js', '**/*.main.js', '**/*.worker.js'];
/** The command does not need these files; only the work on the sources does. */
const NOT_SHIPPED = /(^|\/)(tsconfig\.json|Dockerfile.*|.*\.png)$|^deploy\/package\/|\/secrets\//;
const POLYFILL = '#deploy/package/older-node.ts';

rmSync(DIST, { recursive: true, force: true });
execFileSync(`${ROOT}node_modules/.bin/tsc`, ['--project', `${ROOT}deploy/package`], { stdio: 'inherit' });
copyFiles();
stripPageModules();
for (const path of globSync('**/*.js', { cwd: DIST })) nameBuiltPrograms(path);
for (const path of globSync(PROGRAMS, { cwd: DIST })) supplyOlderNode(path);
writeManifest();

/**
 * Copies each file that is not TypeScript to the same folder below dist, where `new URL('file', import.meta.url)` finds it. Pages show
 * the commands as the package's user types them.
 */
function copyFiles(): void {
  const paths = globSync(`{${FOLDERS.join()}}/**/*`, { cwd: ROOT, withFileTypes: true })
    .filter((entry) => entry.isFile() && extname(entry.name) !== '.ts')
    .map(({ parentPath, name }) => `${parentPath}/${name}`.slice(ROOT.length));
  for (const path of paths) if (!NOT_SHIPPED.test(path)) copyFile(path);
}

function copyFile(path: string): void {
  cpSync(ROOT + path, DIST + path);
  if (extname(path) !== '.md') return;
  writeFileSync(DIST + path, readFileSync(ROOT + path, 'utf8').replaceAll('npx tagalong', 'tagalong'));
}

/** Removes the types of the dashboard's modules. Browsers load them as `.ts`, and older Node cannot strip types when it serves them. */
function stripPageModules(): void {
  for (const path of PAGE_MODULES) {
    const to = DIST + path.slice(ROOT.length);
    cpSync(path, to);
    writeFileSync(to, stripTypeScriptTypes(readFileSync(path, 'utf8')));
  }
}

/** Renames `.ts` to `.js` in the URLs of programs that a file starts: the compiler does not rewrite URLs. */
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

/** Writes the version and the commit into dist's manifest, and maps imports such as `#shared/x.ts` to the built files. */
function writeManifest(): void {
  const { name, version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
  const imports = Object.fromEntries(FOLDERS.map((folder) => [`#${folder}/*.ts`, `./${folder}/*.js`]));
  const commit = commitOf(ROOT);
  const manifest = { name, version, ...(commit && { commit }), private: true, type: 'module', imports };
  writeFileSync(`${DIST}package.json`, `${JSON.stringify(manifest, null, 2)}\n`);
}
