import { styleText } from 'node:util';

/**
 * A text with a colour or weight, where the stream shows such: a terminal, unless NO_COLOR is set, or anything with FORCE_COLOR.
 * Node 24 looks at the stream by itself; older Node does not.
 * @param style as in `styleText`
 * @param stream the stream that the text goes to
 */
export function styled(
  style: Parameters<typeof styleText>[0],
  text: string,
  stream: NodeJS.WriteStream = process.stdout,
): string {
  const shown = process.env.FORCE_COLOR !== undefined || (stream.isTTY && stream.hasColors());
  return shown ? styleText(style, text, { stream }) : text;
}
