import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { confirmed, type Terminal } from '#deploy/cli/run/confirm.ts';
import { TagalongError } from '#shared/errors.ts';

/** An order that the server carries out if it is confirmed. @returns it, and what it was sent with */
function order() {
  const sent: (string | undefined)[] = [];
  const send = async (confirm?: string) => {
    sent.push(confirm);
    if (confirm !== 'west')
      throw new TagalongError('CONFIRMATION_MISSING', 'west: 3 VMs will leave it; repeat the order');
    return 'done';
  };
  return { send, sent };
}

function terminalThatSays(answer: string, isTTY = true): Terminal & { readonly output: PassThrough } {
  const [input, output] = [new PassThrough(), new PassThrough()];
  input.write(`${answer}\n`);
  return { input: Object.assign(input, { isTTY }), output: Object.assign(output, { isTTY }) };
}

test.each(['y', 'YES'])('a person who answers %s confirms the order', async (answer) => {
  const { send, sent } = order();
  const terminal = terminalThatSays(answer);
  expect(await confirmed('west', {}, send, terminal)).toBe('done');
  expect(sent).toEqual([undefined, 'west']);
  expect(String(terminal.output.read())).toContain('west: 3 VMs will leave it. Continue?');
});

test.each(['', 'n', 'west', 'yes please'])('a person who answers %j does not', async (answer) => {
  const { send, sent } = order();
  await expect(confirmed('west', {}, send, terminalThatSays(answer))).rejects.toMatchObject({
    code: 'CONFIRMATION_MISSING',
  });
  expect(sent).toEqual([undefined]);
});

test('a script is not asked: it gives --yes', async () => {
  const { send, sent } = order();
  const pipe = terminalThatSays('y', false);
  await expect(confirmed('west', {}, send, pipe)).rejects.toMatchObject({ code: 'CONFIRMATION_MISSING' });
  expect(await confirmed('west', { yes: true }, send, pipe)).toBe('done');
  expect(sent).toEqual([undefined, 'west']);
});

test('another error is passed on', async () => {
  const send = () => Promise.reject(new TagalongError('SITE_UNKNOWN', 'no such site'));
  await expect(confirmed('west', {}, send, terminalThatSays('y'))).rejects.toMatchObject({ code: 'SITE_UNKNOWN' });
});
