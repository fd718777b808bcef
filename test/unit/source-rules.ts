/**
 * The rules for source files that Biome cannot check. Each function returns the faults of a text or of names of files. They read
 * lines, because each declaration begins a line in formatted files.
 */
import { posix } from 'node:path';

/** The modules whose values a file imports or re-exports. Biome's `useImportType` marks all imports of types alone. */
export function importedModules(text: string): string[] {
  const statements = [
    ...text.matchAll(/^(?:import|export) (?!type\b)(?:[^;'"=()]*? from )?'([^']+)';/gm),
    ...text.matchAll(/\bimport\('([^']+)'\)/g),
  ];
  return statements.map(([, from]) => from!);
}

/**
 * The exports without a docstring. The docstring at the head of a file counts for its first export, and the docstring of a schema
 * for its type.
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
  'test/unit/pages.test.ts': 'checks the commands on all pages',
  'test/unit/source-rules.ts': 'holds the rules of architecture.test.ts',
};

/**
 * The files under test/unit without a counterpart in the product. `test/unit/A/B.test.ts` tests the file or the folder `A/B`, or,
 * beside other tests in a folder of that name, the file `A.ts`. Helpers lie in a folder that exists in the product.
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
