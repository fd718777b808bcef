/** The rules of the house that neither the compiler nor the linter knows, as functions from a file's text to its faults. */
import { posix } from 'node:path';

/** What each part of the house may import. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  shared: ['shared'],
  services: ['services', 'shared'],
  simulations: ['simulations', 'services', 'shared'],
  deploy: ['deploy', 'simulations', 'services', 'shared'],
  test: ['test', 'deploy', 'simulations', 'services', 'shared'],
};

/** The core: the same input gives the same output, live, replayed and simulated. */
const PURE = ['events', 'geo', 'migration', 'model', 'policy', 'state-machine', 'time'].map(
  (name) => `shared/${name}/`,
);
/** Files outside the core that are as pure, and that it may therefore use. */
const AS_PURE = [
  'shared/format.ts',
  'shared/errors.ts',
  'shared/random/random.ts',
  'shared/store/records.ts',
  'shared/text.ts',
];
const PURE_PACKAGES = ['typebox', 'xstate', 'geolib', 'kdbush', 'geokdbush', 'tinyqueue'];

const IMPURE: readonly [RegExp, string][] = [
  [/\bDate\.now\b/, 'Date.now'],
  [/\bnew\s+Date\b(?!\s*\(\s*[^\s)])/, 'new Date() without a time'],
  [/(?<!new\s+|[.\w$])Date\s*\(/, 'Date()'],
  [/\bMath\.random\b/, 'Math.random'],
  [/\b(?:setTimeout|setInterval|setImmediate|queueMicrotask)\b/, 'a timer'],
  [/(?<![.\w$])(?:globalThis\.)?process\b(?!\s*[:(])/, 'process'],
  [/(?<![.\w$])(?:globalThis\.)?console\b/, 'console'],
  [/(?<![.\w$])(?:globalThis\.)?performance\b/, 'performance'],
  [/(?<![.\w$])(?:globalThis\.)?crypto\b/, 'crypto'],
  [/(?<![.\w$])(?:globalThis\.)?fetch\s*\(/, 'fetch'],
];

/**
 * The text with comments and the insides of strings blanked, every other character at its place: what is left is code.
 * A `/` begins a regular expression where no value can have ended before it.
 */
export function codeOf(text: string): string {
  const skip =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|\$\{(?:[^{}`]|`[^`]*`|\{[^{}]*\})*\}|[^`\\])*`|(?<=(?:^|[=(,:[!&|?{};\n]|=>|\breturn)\s*)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/g;
  return text.replace(skip, (found) => {
    const quote = found[0] as string;
    if (quote === '`') return `\`${blankTemplate(found.slice(1, -1))}\``;
    if (quote === '/') return blank(found);
    return quote + blank(found.slice(1, -1)) + quote;
  });
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, ' ');
}

/** Blanks a template's text; the expressions in it are code. */
function blankTemplate(text: string): string {
  const parts = text.split(/(\$\{(?:[^{}`]|`[^`]*`|\{[^{}]*\})*\})/);
  return parts.map((part) => (part.startsWith('${') ? codeOf(part) : blank(part))).join('');
}

interface Import {
  readonly from: string;
  readonly typeOnly: boolean;
}

/** What a file imports or re-exports, and whether only as types. */
export function importsOf(text: string): Import[] {
  const code = codeOf(text);
  const statements = [
    ...code.matchAll(/(?<![.\w$])(?:import|export)\b([^;'"`()=]*?\bfrom\b)?\s*(['"])( *)\2/dg),
    ...code.matchAll(/(?<![.\w$])import\s*\(()\s*(['"])( *)\2/dg),
  ];
  return statements.map(({ 1: clause = '', indices }) => {
    const [begin, end] = indices![3] as [number, number];
    const named = /^\s*\{([^}]*)\}/
      .exec(clause)?.[1]
      ?.split(',')
      .filter((name) => name.trim() !== '');
    const typeOnly =
      /^\s*type\b(?!\s*from\b)/.test(clause) || (named?.every((name) => /^\s*type\s/.test(name)) ?? false);
    return { from: text.slice(begin, end), typeOnly };
  });
}

/** The file of ours that an import of `file` means, as a path from the root; undefined for a package. */
function target(file: string, from: string): string | undefined {
  if (from.startsWith('#')) return from.slice(1);
  return from.startsWith('.') ? posix.join(posix.dirname(file), from) : undefined;
}

/** Imports against the one direction there is. */
export function directionFaults(file: string, text: string): string[] {
  const allowed = MAY_IMPORT[file.split('/')[0] as string];
  if (allowed === undefined) return [];
  return importsOf(text)
    .map(({ from }) => target(file, from))
    .filter((path) => path !== undefined && !allowed.includes(path.split('/')[0] as string))
    .map((path) => `${file}: must not import ${path}; it may import ${allowed.join(', ')}`);
}

/** What a file of the core does that is not pure. A `*.main.ts` is at the edge and may. */
export function purityFaults(file: string, text: string): string[] {
  const isPure = (path: string) => PURE.some((folder) => path.startsWith(folder)) && !path.endsWith('.main.ts');
  if (!isPure(file)) return [];
  const code = codeOf(text);
  const uses = IMPURE.filter(([pattern]) => pattern.test(code)).map(([, name]) => `${file}: uses ${name}`);
  const imports = importsOf(text).flatMap(({ from, typeOnly }) => {
    const path = target(file, from);
    if (path === undefined) {
      const known = PURE_PACKAGES.some((name) => from === name || from.startsWith(`${name}/`));
      return known ? [] : [`${file}: imports ${from}; the core may use ${PURE_PACKAGES.join(', ')}`];
    }
    return typeOnly || isPure(path) || AS_PURE.includes(path) ? [] : [`${file}: imports ${path}, which is not pure`];
  });
  return [...uses, ...imports];
}

/**
 * Exports without a docstring of their own. The docstring at the head of a file is that of its first export, and the
 * type of a schema is described where the schema is.
 */
export function undocumentedExports(file: string, text: string): string[] {
  const lines = text.split('\n');
  const code = codeOf(text).split('\n');
  const documented = new Set<string>();
  const faults: string[] = [];
  let first = true;
  code.forEach((line, number) => {
    const name = /^export (?:default )?(?:async )?(?:abstract )?(?:function\*?|class|const|interface|type) (\w+)/.exec(
      line,
    )?.[1];
    if (name === undefined) return;
    if (hasDocstring(lines, number) || (first && text.startsWith('/**'))) documented.add(name);
    if (!documented.has(name)) faults.push(`${file}: ${name}`);
    first = false;
  });
  return faults;
}

function hasDocstring(lines: readonly string[], declared: number): boolean {
  let number = declared - 1;
  if (!lines[number]?.trimEnd().endsWith('*/')) return false;
  while (number >= 0 && !lines[number]?.includes('/*')) number--;
  return lines[number]?.trimStart().startsWith('/**') ?? false;
}

/** Says so where a file is longer than can be read in one go. */
export function lengthFaults(file: string, text: string, most = 400): string[] {
  const lines = text.split('\n').length - 1;
  return lines > most ? [`${file}: ${lines} lines; at most ${most}`] : [];
}

/** Files under test/unit that test no single file or folder, with the reason. */
const WITHOUT_COUNTERPART: Readonly<Record<string, string>> = {
  'test/unit/architecture.test.ts': 'checks all files',
  'test/unit/source-rules.ts': 'holds the rules of architecture.test.ts',
};

/**
 * Files under test/unit that lie where nothing of the product lies. `test/unit/A/B.test.ts` tests the file or the folder
 * `A/B`, or, beside other tests in a folder of that name, the file `A.ts`. What tests share lies in a folder that is there.
 */
export function mirrorFaults(tests: readonly string[], product: readonly string[]): string[] {
  const subjects = new Set(product.flatMap((path) => [path, path.replace(/\.\w+$/, '')]));
  return tests
    .filter((file) => {
      const path = file.replace('test/unit/', '');
      const folder = posix.dirname(path);
      const tested = /^(.*?)(?:\.long)?\.test\.ts$/.exec(path)?.[1];
      const counterparts = tested === undefined ? [folder] : [tested, `${folder}.ts`];
      return !(file in WITHOUT_COUNTERPART) && !counterparts.some((counterpart) => subjects.has(counterpart));
    })
    .map((file) => `${file}: no file or folder of this name in the product; move the test to where its subject lies`);
}
