/** Reads a file of settings, YAML or JSON, by a schema: fills in the defaults, and reports a fault with its line. */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Static, TSchema } from 'typebox';
import { Default } from 'typebox/value';
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type ParsedNode, parseDocument } from 'yaml';
import { type ErrorCode, TagalongError } from '../errors.ts';
import { type Fault, schemaFaults } from './faults.ts';
import { contentOf } from './files.ts';
import { type Origins, secretReader } from './secrets.ts';

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** A settings file that was read. */
export interface Loaded<T> {
  readonly value: T;
  /** The paths of the file and of the files of its secrets. */
  readonly files: readonly string[];
  /** Those among them that contain secrets, and that every user of this host may read. */
  readonly exposed: readonly string[];
}

/** One kind of settings file. */
export interface Settings<T> {
  /**
   * Reads a file, and the secrets that it names.
   * @throws TagalongError CONFIG_UNREADABLE, or the code of the kind
   */
  load(path: string): Promise<T>;
  /** The same, and where its secrets are. @throws TagalongError CONFIG_UNREADABLE, or the code of the kind */
  loadWithFiles(path: string): Promise<Loaded<T>>;
  /**
   * Checks a text and fills in the defaults. JSON is read as YAML, because JSON is YAML. A key without a value counts as absent.
   * The result is frozen.
   * @param fileName begins the message, which names the first fault: `FILE:LINE: key.path: what is wrong; what would be right`
   * @param folder where relative paths of secrets start; default: that of `fileName`
   * @throws TagalongError CONFIG_UNREADABLE if the text is not YAML; the code of the kind
   */
  parse(text: string, fileName: string, folder?: string): T;
}

/**
 * Defines a kind of settings file.
 * @param schema the schema of the file
 * @param invalid the error code of a file that does not fit
 * @param crossFaults checks what a schema cannot express: whether keys fit each other
 */
export function settings<S extends TSchema>(
  schema: S,
  invalid: ErrorCode,
  crossFaults: (value: DeepReadonly<Static<S>>) => Fault[],
): Settings<DeepReadonly<Static<S>>> {
  type T = DeepReadonly<Static<S>>;
  const faultsOf = schemaFaults(schema);
  const readSecrets = secretReader(schema);
  const read = (text: string, fileName: string, folder = dirname(fileName)): { value: T; origins: Origins } => {
    const lines = new LineCounter();
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
    const given = plainValue(document, lines, fileName);
    const { faults, ...origins } = readSecrets(given, folder);
    const value = Default(schema, given);
    if (faults.length === 0) faults.push(...faultsOf(value));
    if (faults.length === 0) faults.push(...crossFaults(value as T));
    const placed = faults.map((fault) => ({ ...fault, line: lineOf(document, lines, fault) }));
    const [first] = placed.sort((a, b) => a.line - b.line);
    if (first !== undefined) {
      const where = first.path.length === 0 ? '' : `${first.path.join('.')}: `;
      throw new TagalongError(first.code ?? invalid, `${fileName}:${first.line}: ${where}${first.message}`);
    }
    return { value: deepFreeze(value as T), origins };
  };
  const loadWithFiles = async (path: string): Promise<Loaded<T>> => {
    const { value, origins } = read((await contentOf(path, 'a YAML or JSON file')).toString(), path);
    const { files, isInline } = origins;
    return { value, files: [path, ...files], exposed: await readableByAll(isInline ? [path, ...files] : files) };
  };
  return {
    parse: (...parts) => read(...parts).value,
    loadWithFiles,
    load: async (path) => (await loadWithFiles(path)).value,
  };
}

/** The files that every user of this host may read. */
async function readableByAll(paths: readonly string[]): Promise<string[]> {
  const modes = await Promise.all(paths.map(async (path) => (await stat(path)).mode));
  return paths.filter((_, i) => (modes[i]! & 0o004) !== 0);
}

/** The plain value of a YAML document. */
function plainValue(document: Document.Parsed, lines: LineCounter, fileName: string): unknown {
  const [error] = document.errors;
  if (error !== undefined) {
    const { line } = lines.linePos(error.pos[0]);
    const [what] = error.message.split('\n');
    throw new TagalongError(
      'CONFIG_UNREADABLE',
      `${fileName}:${line}: the file is not YAML (${what}); mend this line`,
      { cause: error },
    );
  }
  try {
    const given = document.toJS({
      reviver(this: unknown, _key: unknown, value: unknown) {
        return value === null && !Array.isArray(this) ? undefined : value;
      },
    });
    return given ?? {};
  } catch (cause) {
    // An alias has no anchor, or aliases expand to millions of keys.
    throw new TagalongError(
      'CONFIG_UNREADABLE',
      `${fileName}: the YAML cannot be used (${(cause as Error).message}); mend its aliases`,
      {
        cause,
      },
    );
  }
}

/** The line of a key; if the key is missing, the line of the nearest key around it. */
function lineOf(document: Document.Parsed, lines: LineCounter, { path }: Fault): number {
  let node: ParsedNode | null = document.contents;
  let offset = node?.range[0] ?? 0;
  for (const key of path) {
    if (isAlias(node)) node = (node.resolve(document) as ParsedNode | undefined) ?? null;
    if (isMap(node)) {
      const pair: (typeof node.items)[number] | undefined = node.items.find(
        (item) => isScalar(item.key) && String(item.key.value) === key,
      );
      if (pair === undefined) break;
      offset = pair.key.range[0];
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(key)] ?? null;
      offset = node?.range[0] ?? offset;
    } else break;
  }
  return lines.linePos(offset).line || 1;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
}
