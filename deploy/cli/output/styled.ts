import { styleText } from 'node:util';

/**
 * Adds a colour or weight to a text if the stream shows it: a terminal, unless NO_COLOR is set, or any stream with FORCE_COLOR.
 * Node 24 checks the stream by itself; older Node does not.
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
