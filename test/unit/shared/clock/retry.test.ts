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
  test('resolves with the first successful attempt', async () => {
    expect(await retry(failing(0), { everyMs: 1 })).toBe(1);
    expect(await retry(failing(3), { everyMs: 1 })).toBe(4);
  });

  test('ends with a lasting error, and classifies each error once', async () => {
    const asked: string[] = [];
    const isPassing = (error: unknown) => {
      asked.push((error as Error).message);
      return asked.length < 3;
    };
    await expect(retry(failing(9), { everyMs: 1, isPassing })).rejects.toThrow('attempt 3');
    expect(asked).toEqual(['attempt 1', 'attempt 2', 'attempt 3']);
  });

  test('begins no attempt after the time limit', async () => {
    await expect(retry(failing(9), { everyMs: 1, withinMs: -1 })).rejects.toThrow('attempt 1');
    await expect(retry(failing(1e9), { everyMs: 1, withinMs: 20 })).rejects.toThrow('attempt');
  });

  test('ends after the limit of attempts', async () => {
    await expect(retry(failing(9), { everyMs: 1, tries: 3 })).rejects.toThrow('attempt 3');
    expect(await retry(failing(2), { everyMs: 1, tries: 3 })).toBe(3);
  });

  test('ends after the pause if the result is not needed any more', async () => {
    let left = 2;
    await expect(retry(failing(9), { everyMs: 1, goOn: () => left-- > 0 })).rejects.toThrow('attempt 3');
  });
});

describe('until', () => {
  test('checks until the condition holds', async () => {
    let looks = 0;
    expect(await until(() => ++looks === 3, { everyMs: 1 })).toBe(true);
    expect(looks).toBe(3);
  });

  test('returns false if the condition does not hold in time', async () => {
    expect(await until(async () => false, { everyMs: 1, withinMs: 20 })).toBe(false);
    expect(await until(() => true, { everyMs: 1, withinMs: -1 })).toBe(true);
  });
});
