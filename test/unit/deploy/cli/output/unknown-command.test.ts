import { expect, test } from 'vitest';
import { unknownCommand } from '#deploy/cli/output/unknown-command.ts';
import { createProgram } from '#deploy/cli/program.ts';

test.each([
  ['a beginning prefers the command that it begins', ['stat'], 'there is no command "stat"; did you mean status?'],
  ['a slip of a letter', ['simulte'], 'there is no command "simulte"; did you mean simulate?'],
  ['below a command', ['site', 'lst'], 'there is no command "lst"; did you mean list?'],
])('%s', (_, args, message) => {
  expect(unknownCommand(createProgram(), args)).toMatchObject({ code: 'USAGE', message });
});

test('a word that resembles no command gets the list', () => {
  expect(unknownCommand(createProgram(), ['xyz']).message).toMatch(
    /^there is no command "xyz"; choose one of start, init, up, /,
  );
});
