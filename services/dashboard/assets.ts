/**
 * The files of the pages: our own modules, from which Node strips the types as it does for itself; what the libraries
 * ship for browsers; style sheets and the map. Only what is listed here is served, compressed, from this process: a page
 * asks no other server.
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

/** Modules of ours outside the page's own folder that browsers load too. */
const SHARED = ['shared/format.ts', 'shared/policy/decide/words.ts'];

/** Address to file. */
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

/** Where a page finds what modules name. It is the same in the type check, by package.json. */
const IMPORTS = {
  leaflet: '/assets/leaflet.js',
  uplot: '/assets/uplot.js',
  'topojson-client': '/assets/topojson-client/index.js',
  '#shared/': '/assets/shared/',
};
const IMPORT_MAP = JSON.stringify({ imports: IMPORTS });

/** The one script that stands in a page itself, as a Content-Security-Policy names it. */
export const IMPORT_MAP_HASH = `'sha256-${createHash('sha256').update(IMPORT_MAP).digest('base64')}'`;

/** The addresses that are served. */
export const ASSET_URLS: readonly string[] = [...FILES.keys()];

/** Paths of our own modules that pages load. The npm package holds them with their types stripped. */
export const PAGE_MODULES: readonly string[] = [...FILES.values()].filter((path) => path.endsWith('.ts'));

const kept = new Map<string, Promise<Asset>>();

/** The asset at one of {@link ASSET_URLS}; read once. */
export function asset(url: string): Promise<Asset> {
  const known = kept.get(url) ?? read(FILES.get(url)!);
  kept.set(url, known);
  return known;
}

/** Parts of both pages: each replaces the comment of its name. */
const PARTS = ['head', 'signing'];

/** A page of the folder `page`, with the parts that both pages share, and with its import map. */
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

/** Node 20 cannot strip types. It only runs the npm package, where they are stripped already. */
function withoutTypes(source: string): string {
  const { stripTypeScriptTypes: strip } = module as Partial<typeof module>;
  return strip === undefined ? source : quietly(() => strip(source));
}

/** Node calls stripping by hand experimental, where it strips by itself without a word; its version is pinned. */
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
