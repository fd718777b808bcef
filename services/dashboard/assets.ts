/**
 * The files of the pages: Tagalong's own modules, from which Node strips the types; the browser builds of libraries; style sheets and
 * the map. This process serves only the files that are listed here, compressed. A page loads nothing from other servers.
 */
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import module, { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

/** The answer for one address. */
export interface Asset {
  readonly type: string;
  readonly etag: string;
  readonly plain: Buffer;
  readonly gzipped: Buffer;
}

const HERE = import.meta.dirname;
const require = createRequire(import.meta.url);
const ROOT = join(HERE, '../..');
const TYPES = {
  js: 'text/javascript; charset=utf-8',
  ts: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  json: 'application/json',
  svg: 'image/svg+xml',
} as const;

/** The modules outside of the folder `page` that browsers load, too. */
const SHARED = [
  'shared/format.ts',
  'shared/policy/decide/coarse.ts',
  'shared/policy/decide/words.ts',
  'shared/roles.ts',
];

/** The file of each address. */
const FILES = new Map<string, string>([
  ...listed('/assets/page', join(HERE, 'page'), /\.(ts|css|svg)$/),
  ...SHARED.map((path): [string, string] => [`/assets/${path}`, join(ROOT, path)]),
  ...listed('/assets/topojson-client', join(packageOf('topojson-client'), 'src'), /\.js$/),
  ['/assets/wire.ts', join(HERE, 'wire.ts')],
  ['/assets/leaflet.js', join(packageOf('leaflet'), 'dist/leaflet-src.esm.js')],
  ['/assets/leaflet.css', join(packageOf('leaflet'), 'dist/leaflet.css')],
  ['/assets/uplot.js', join(packageOf('uplot'), 'dist/uPlot.esm.js')],
  ['/assets/uplot.css', join(packageOf('uplot'), 'dist/uPlot.min.css')],
  ['/assets/world.json', join(packageOf('world-atlas'), 'countries-50m.json')],
]);

/** The addresses of the modules that page modules import by name. package.json has the same names for the type check. */
const IMPORTS = {
  leaflet: '/assets/leaflet.js',
  uplot: '/assets/uplot.js',
  'topojson-client': '/assets/topojson-client/index.js',
  '#shared/': '/assets/shared/',
};
const IMPORT_MAP = JSON.stringify({ imports: IMPORTS });

/** The hash of the only inline script of a page, for the Content-Security-Policy. */
export const IMPORT_MAP_HASH = `'sha256-${createHash('sha256').update(IMPORT_MAP).digest('base64')}'`;

/** All addresses of files. */
export const ASSET_URLS: readonly string[] = [...FILES.keys()];

/** The paths of Tagalong's own modules that pages load. The npm package contains them without types. */
export const PAGE_MODULES: readonly string[] = [...FILES.values()].filter((path) => path.endsWith('.ts'));

const kept = new Map<string, Promise<Asset>>();

/** The asset at one of {@link ASSET_URLS}. Each file is read once. */
export function asset(url: string): Promise<Asset> {
  const known = kept.get(url) ?? read(FILES.get(url)!);
  kept.set(url, known);
  return known;
}

/** The parts that both pages share: each replaces the comment with its name. */
const PARTS = ['head', 'signing'];

/** A page of the folder `page`, with the shared parts and the import map. */
export async function page(name: 'index' | 'follow-me'): Promise<string> {
  const textOf = (file: string) => readFile(join(HERE, `page/${file}.html`), 'utf8');
  let html = await textOf(name);
  for (const part of PARTS) html = html.replace(`<!-- ${part} -->\n`, await textOf(part));
  return html.replace('<!-- import map -->', `<script type="importmap">${IMPORT_MAP}</script>`);
}

async function read(path: string): Promise<Asset> {
  const content = await readFile(path);
  const plain = path.endsWith('.ts') ? Buffer.from(withoutTypes(content.toString())) : content;
  const type = TYPES[path.slice(path.lastIndexOf('.') + 1) as keyof typeof TYPES];
  const etag = `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`;
  return { type, etag, plain, gzipped: await promisify(gzip)(plain) };
}

/** Strips the types of a module. Node 20 cannot do that, but it runs only the npm package, whose modules have no types. */
function withoutTypes(source: string): string {
  const { stripTypeScriptTypes: strip } = module as Partial<typeof module>;
  return strip === undefined ? source : quietly(() => strip(source));
}

/** Suppresses Node's warning that stripping by a function call is experimental. The version of Node is pinned, so the warning does not matter. */
function quietly<T>(work: () => T): T {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return work();
  } finally {
    process.emitWarning = emitWarning;
  }
}

function listed(url: string, folder: string, names: RegExp): [string, string][] {
  const files = readdirSync(folder).filter((name) => names.test(name));
  return files.map((name) => [`${url}/${name}`, join(folder, name)]);
}

function packageOf(name: string): string {
  return dirname(require.resolve(`${name}/package.json`));
}
