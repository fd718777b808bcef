/** Reads the values of a large JSON file one after the other, in bounded memory. */
import Tokenizer from '@streamparser/json/tokenizer.js';
import TokenParser from '@streamparser/json/tokenparser.js';
import TokenType from '@streamparser/json/utils/types/tokenType.js';
import { TagalongError } from '#shared/errors.ts';
import { readText } from './files.ts';

/** A value of a JSON file. */
export interface JsonValue {
  readonly value: unknown;
  /** The line on which the value ends, from 1. */
  readonly line: number;
}

/** The most characters of a value, or between two values: some 300,000 points of a line. */
const LONGEST_VALUE = 16 * 1024 * 1024;
const DEEPEST = 100;

/**
 * Yields the values at a path (`$.features.*`) in order, those of each piece of the file together.
 * @throws TagalongError TRACE_UNREADABLE if the file is not JSON, is cut off, or has a value of more than 16 MB
 */
export async function* jsonValues(path: string, at: string): AsyncGenerator<readonly JsonValue[], void, void> {
  let values: JsonValue[] = [];
  let line = 1;
  let sinceValue = 0;
  let depth = 0;
  const fail = (what: string, cause?: unknown) =>
    new TagalongError('TRACE_UNREADABLE', `${path}:${line}: ${what}`, { cause });
  const parser = new TokenParser({ paths: [at], keepStack: false });
  parser.onValue = ({ value }) => {
    values.push({ value, line });
    sinceValue = 0;
  };
  const tokenizer = new Tokenizer();
  tokenizer.onToken = (token) => {
    if (token.token === TokenType.LEFT_BRACE || token.token === TokenType.LEFT_BRACKET) depth++;
    if (token.token === TokenType.RIGHT_BRACE || token.token === TokenType.RIGHT_BRACKET) depth--;
    if (depth > DEEPEST) throw fail(`values are nested more than ${DEEPEST} deep; nest them less`);
    parser.write(token);
  };
  const take = (text: string) => {
    sinceValue += text.length;
    if (sinceValue > LONGEST_VALUE) throw fail(`a value has more than ${LONGEST_VALUE} characters; split it`);
    try {
      tokenizer.write(text);
    } catch (cause) {
      if (cause instanceof TagalongError) throw cause;
      throw fail(`not JSON (${(cause as Error).message.split('\n')[0]?.slice(0, 200)}); mend the file`, cause);
    }
  };
  for await (const text of readText(path)) {
    // Line by line, so that the line of each value is known.
    const lines = text.split('\n');
    for (const [i, piece] of lines.entries()) {
      if (i > 0) line++;
      take(i > 0 ? `\n${piece}` : piece);
    }
    if (values.length > 0) yield values;
    values = [];
  }
  if (!parser.isEnded) throw fail('the file ends before its JSON does; give the whole file');
}
