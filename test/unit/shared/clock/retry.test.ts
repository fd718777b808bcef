import { describe, expect, test } from 'vitest';
import { retry, until } from '#shared/clock/retry.ts';

/** Fails `times` times with numbered errors, then resolves. */
const failing = (times: number) => {
  let attempts = 0;
  return async () => {
    attempts++;
    if (attempts <= times) throw new Error(`attempt ${attempts}`);
    return attempts;
  };
};

describe('retry', () => {
  test('resolves with the first attempt that does', async () => {
    expect(await retry(failing(0), { everyMs: 1 })).toBe(1);
    expect(await retry(failing(3), { everyMs: 1 })).toBe(4);
  });

  test('ends with an error that does not pass, and asks once a failure', async () => {
    const asked: string[] = [];
    const isPassing = (error: unknown) => {
      asked.push((error as Error).message);
      return asked.length < 3;
    };
    await expect(retry(failing(9), { everyMs: 1, isPassing })).rejects.toThrow('attempt 3');
    expect(asked).toEqual(['attempt 1', 'attempt 2', 'attempt 3']);
  });

  test('begins no attempt when the time is over', async () => {
    await expect(retry(failing(9), { everyMs: 1, withinMs: -1 })).rejects.toThrow('attempt 1');
    await expect(retry(failing(1e9), { everyMs: 1, withinMs: 20 })).rejects.toThrow('attempt');
  });

  test('ends when the attempts are used up', async () => {
    await expect(retry(failing(9), { everyMs: 1, tries: 3 })).rejects.toThrow('attempt 3');
    expect(await retry(failing(2), { everyMs: 1, tries: 3 })).toBe(3);
  });

  test('ends after the pause where nobody needs the result any more', async () => {
    let left = 2;
    await expect(retry(failing(9), { everyMs: 1, goOn: () => left-- > 0 })).rejects.toThrow('attempt 3');
  });
});

describe('until', () => {
  test('looks again until it is so', async () => {
    let looks = 0;
    expect(await until(() => ++looks === 3, { everyMs: 1 })).toBe(true);
    expect(looks).toBe(3);
  });

  test('says where it was not so in time', async () => {
    expect(await until(async () => false, { everyMs: 1, withinMs: 20 })).toBe(false);
    expect(await until(() => true, { everyMs: 1, withinMs: -1 })).toBe(true);
  });
});
