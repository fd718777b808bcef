import { describe, expect, test } from 'vitest';
import { addLessons, loadCorrections } from '#services/placement/corrections.ts';
import { corrected, UNCORRECTED } from '#shared/policy/state/sites.ts';
import { memoryStore } from '#shared/store/memory.ts';

const lesson = (migration: string, duration: number, pair = 'a~b') => ({
  ...{ pair, migration },
  sample: { duration, interruption: null },
});

describe('corrections of several placements', () => {
  test('hold the measurements of all placements, in any order', async () => {
    const store = memoryStore();
    const lessons = Array.from({ length: 20 }, (_, i) => lesson(`v:${i}`, 2));
    await Promise.all(lessons.map((one) => addLessons(store, [one])));
    const expected = lessons.reduce((sum, { sample }) => corrected(sum, sample), UNCORRECTED);
    expect((await loadCorrections(store)).get('a~b')).toEqual(expected);
    expect(expected.samples).toBe(20);
  });

  test('count a move once, also if it arrives again after a crash', async () => {
    const store = memoryStore();
    const first = await addLessons(store, [lesson('v:1', 2), lesson('v:1', 3, 'b~a')]);
    const again = await addLessons(store, [lesson('v:1', 2), lesson('v:2', 4)]);
    expect(first.get('a~b')).toEqual({ duration: 2, interruption: 1, samples: 1 });
    expect(again.get('a~b')).toMatchObject({ samples: 2 });
    expect((await loadCorrections(store)).get('b~a')).toMatchObject({ duration: 3, samples: 1 });
  });
});
