/** Reads a file of settings, YAML or JSON, by a schema: fills in the defaults, and reports a fault with its line. */
import type { Static, TSchema } from 'typebox';
import { Default } from 'typebox/value';
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type ParsedNode, parseDocument } from 'yaml';
import { type ErrorCode, TagalongError } from '../errors.ts';
import { type Fault, schemaFaults } from './faults.ts';
import { contentOf } from './files.ts';

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** One kind of settings file. */
export interface Settings<T> {
  /**
   * Reads a file.
   * @throws TagalongError CONFIG_UNREADABLE, or the code of the kind
   */
  load(path: string): Promise<T>;
  /**
   * Checks a text and fills in the defaults. JSON is read as YAML, because JSON is YAML. A key without a value counts as absent.
   * The result is frozen.
   * @param fileName begins the message, which names the first fault: `FILE:LINE: key.path: what is wrong; what would be right`
   * @throws TagalongError CONFIG_UNREADABLE if the text is not YAML; the code of the kind
   */
  parse(text: string, fileName: string): T;
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
  const parse = (text: string, fileName: string): T => {
    const lines = new LineCounter();
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
    const value = plainValue(schema, document, lines, fileName);
    const faults = faultsOf(value);
    if (faults.length === 0) faults.push(...crossFaults(value as T));
    const placed = faults.map((fault) => ({ ...fault, line: lineOf(document, lines, fault) }));
    const [first] = placed.sort((a, b) => a.line - b.line);
    if (first !== undefined) {
      const where = first.path.length === 0 ? '' : `${first.path.join('.')}: `;
      throw new TagalongError(first.code ?? invalid, `${fileName}:${first.line}: ${where}${first.message}`);
    }
    return deepFreeze(value as T);
  };
  return { parse, load: async (path) => parse((await contentOf(path, 'a YAML or JSON file')).toString(), path) };
}

/** The plain value of a YAML document, with the defaults. */
function plainValue(schema: TSchema, document: Document.Parsed, lines: LineCounter, fileName: string): unknown {
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
    return Default(schema, given ?? {});
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
