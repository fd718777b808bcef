/** XML as a stream of elements, in bounded memory. */
import sax from 'sax';
import { TagalongError } from '#shared/errors.ts';
import { readText } from './files.ts';

/** What is done with elements. Names come without their prefix: many devices write some that they never declared. */
export interface Elements {
  /** @param path the names of the elements around it, itself the last */
  open(path: readonly string[], attributes: Readonly<Record<string, string>>, line: number): void;
  /** A piece of the text of the element that is the last of the path. */
  text?(path: readonly string[], piece: string): void;
  close?(path: readonly string[]): void;
}

/** No format nests that deep; a file that does would fill the memory. */
const DEEPEST = 100;

/**
 * Reads a file to its end and yields after every piece of it, so that what was found by then can be taken.
 * @param root the name of the outermost element
 * @param right what would be right, for errors
 * @throws TagalongError TRACE_UNREADABLE where it is not well-formed, cut off, or has another root
 */
export async function* readXml(
  file: string,
  { root, right }: { readonly root: string; readonly right: string },
  elements: Elements,
): AsyncGenerator<void, void, void> {
  const parser = sax.parser(true);
  const path: string[] = [];
  let rooted = false;
  const fail = (what: string) =>
    new TagalongError('TRACE_UNREADABLE', `${file}:${parser.line + 1}: ${what}, ${right} would be right`);
  parser.onerror = (error) => {
    throw fail(`not well-formed XML (${error.message.split('\n')[0]})`);
  };
  parser.onopentag = ({ name, attributes }) => {
    rooted = true;
    path.push(name.slice(name.indexOf(':') + 1));
    if (path.length === 1 && path[0] !== root) throw fail(`XML with the root <${name.slice(0, 40)}>`);
    if (path.length > DEEPEST) throw fail(`elements within more than ${DEEPEST} others`);
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
  // Of a file without any element the parser says nothing.
  if (!rooted) throw fail('no element');
  yield;
}
