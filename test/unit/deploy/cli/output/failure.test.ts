import { CommanderError, InvalidArgumentError } from 'commander';
import { describe, expect, test } from 'vitest';
import { portOption, speedOption } from '#deploy/cli/commands/options.ts';
import { failureOf } from '#deploy/cli/output/failure.ts';
import { TagalongError } from '#shared/errors.ts';

describe('a failure', () => {
  test('of the input has status 2, another failure has status 1', () => {
    expect(failureOf(new TagalongError('CONFIG_INVALID', 'x.yaml:2: no'))).toEqual({
      line: 'tagalong: CONFIG_INVALID: x.yaml:2: no',
      exitCode: 2,
    });
    expect(failureOf(new TagalongError('VM_UNKNOWN', 'no VM')).exitCode).toBe(1);
    expect(failureOf(new CommanderError(1, 'commander.unknownOption', "error: unknown option '--x'"))).toEqual({
      line: "tagalong: USAGE: unknown option '--x'",
      exitCode: 2,
    });
  });

  test('is one line without control characters, for any quoted text', () => {
    const { line } = failureOf(new TagalongError('EVENT_INVALID', 'a\nb\r\n\u001b[31mc\u009bd\n'));
    expect(line).toBe('tagalong: EVENT_INVALID: a b [31mc d');
  });

  test('of an unknown kind names TAGALONG_DEBUG', () => {
    expect(failureOf(new TypeError('x is not a function'))).toEqual({
      line: 'tagalong: INTERNAL: x is not a function (TAGALONG_DEBUG=1 shows where)',
      exitCode: 1,
    });
  });
});

describe('an option', () => {
  test('for a speed is a number above 0, or max', () => {
    expect(['1', '0.5', '1e3', 'max'].map(speedOption)).toEqual([1, 0.5, 1000, Number.POSITIVE_INFINITY]);
    for (const text of ['', ' ', '0', '-1', 'NaN', 'Infinity', 'fast']) {
      expect(() => speedOption(text), text).toThrow(InvalidArgumentError);
    }
  });

  test('for a port is a whole number up to 65535', () => {
    expect(['0', '8080', '65535'].map(portOption)).toEqual([0, 8080, 65_535]);
    for (const text of ['', '-1', '65536', '80.5', '0x50', 'http']) {
      expect(() => portOption(text), text).toThrow(InvalidArgumentError);
    }
  });
});
