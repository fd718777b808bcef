/**
 * The rules of the house that Biome cannot check, as functions from a file's text, or from names of files, to the faults.
 * They read lines: Biome has formatted the files, so that each declaration begins a line.
 */
import { posix } from 'node:path';

/** The modules whose values a file imports or re-exports. Biome's `useImportType` keeps types out of the other imports. */
export function importedModules(text: string): string[] {
  const statements = [
    ...text.matchAll(/^(?:import|export) (?!type\b)(?:[^;'"=()]*? from )?'([^']+)';/gm),
    ...text.matchAll(/\bimport\('([^']+)'\)/g),
  ];
  return statements.map(([, from]) => from!);
}

/**
 * Exports without a docstring of their own. The docstring at the head of a file is that of its first export, and the
 * type of a schema is described where the schema is.
 */
export function undocumentedExports(file: string, text: string): string[] {
  const lines = text.split('\n');
  const documented = new Set<string>();
  const faults: string[] = [];
  let first = true;
  lines.forEach((line, number) => {
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
