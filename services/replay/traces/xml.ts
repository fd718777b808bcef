/** Reads XML as a stream of elements, in bounded memory. */
import sax from 'sax';
import { TagalongError } from '#shared/errors.ts';
import { readText } from './files.ts';

/** The callbacks for elements. Names have no prefix, because many devices use prefixes that they do not declare. */
export interface Elements {
  /** An element begins. @param path the names of the enclosing elements and, last, of the element itself */
  open(path: readonly string[], attributes: Readonly<Record<string, string>>, line: number): void;
  /** A piece of text in the last element of the path. */
  text?(path: readonly string[], piece: string): void;
  close?(path: readonly string[]): void;
}

/** The deepest nesting. No format is deeper, and a deeper file could fill the memory. */
const DEEPEST = 100;

/**
 * Reads a file to its end. It yields after every piece, so that the caller can pass on what it has found so far.
 * @param root the name of the outermost element
 * @param wanted the format, for messages
 * @throws TagalongError TRACE_UNREADABLE if the file is not well-formed, is cut off, or has another root
 */
export async function* readXml(
  file: string,
  { root, wanted }: { readonly root: string; readonly wanted: string },
  elements: Elements,
): AsyncGenerator<void, void, void> {
  const parser = sax.parser(true);
  const path: string[] = [];
  let rooted = false;
  const fail = (what: string) =>
    new TagalongError('TRACE_UNREADABLE', `${file}:${parser.line + 1}: ${what}; give ${wanted}`);
  parser.onerror = (error) => {
    throw fail(`the XML is not well-formed (${error.message.split('\n')[0]})`);
  };
  parser.onopentag = ({ name, attributes }) => {
    rooted = true;
    path.push(name.slice(name.indexOf(':') + 1));
    if (path.length === 1 && path[0] !== root) throw fail(`the root of the XML is <${name.slice(0, 40)}>`);
    if (path.length > DEEPEST) throw fail(`elements are nested more than ${DEEPEST} deep`);
    elements.open(path, attributes as Record<string, string>, parser.line + 1);
  };
  const text = (piece: string) => elements.text?.(path, piece);
  parser.ontext = text;
  parser.oncdata = text;
  parser.onclosetag = () => {
    elements.close?.(path);
    path.pop();
  };
  for await (const piece of readText(file)) {
    parser.write(piece);
    yield;
  }
  parser.close();
  // The parser does not report a file without elements.
  if (!rooted) throw fail('the file has no element');
  yield;
}
