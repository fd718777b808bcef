/** Asks on the terminal before an order that empties a site. */
import { createInterface } from 'node:readline/promises';
import { TagalongError } from '#shared/errors.ts';

/** The terminal on which the question is asked. */
export interface Terminal {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly output: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

const TERMINAL: Terminal = { input: process.stdin, output: process.stderr };

/**
 * Sends an order that may empty a site. If the server asks for a confirmation, a person at a terminal is asked; a script gets the error.
 * @param yes true: the order is confirmed already (`--yes`)
 * @param send sends the order. @param send.confirm the name of the site, once the order is confirmed
 * @throws TagalongError CONFIRMATION_MISSING if nobody confirmed the order; errors of `send`
 */
export async function confirmed<T>(
  site: string,
  { yes }: { readonly yes?: true },
  send: (confirm?: string) => Promise<T>,
  terminal = TERMINAL,
): Promise<T> {
  if (yes) return send(site);
  try {
    return await send();
  } catch (error) {
    if (!(error instanceof TagalongError) || error.code !== 'CONFIRMATION_MISSING') throw error;
    const { input, output } = terminal;
    if (!input.isTTY || !output.isTTY) throw error;
    const line = createInterface({ input, output });
    const answer = await line.question(`${error.message.split(';')[0]}. Continue? [y/N] `).finally(() => line.close());
    if (!/^y(es)?$/i.test(answer.trim())) {
      throw new TagalongError('CONFIRMATION_MISSING', `${site}: the order was not confirmed, so nothing has changed`);
    }
    return send(site);
  }
}
