import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { feed } from '#services/agent/process.ts';

describe('a program that reads commands from lines', () => {
  let folder: string;
  let out: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tagalong-words-'));
    out = join(folder, 'out');
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('gets the words unchanged', async () => {
    const words = ['add', 'chain', '{', 'device', '"t0"', 'priority', 0, ';', '}', '10.1.0.0/24', 'fe80::1', 'a_b-c.d'];
    await feed('tee', [out], [words, ['link', 'set', 'up']]);
    expect(await readFile(out, 'utf8')).toBe(`${words.join(' ')}\nlink set up\n`);
  });

  test.each([
    ['a second line', '10.9.9.9 dstport 4789\nnetns add z\nnetns exec z sh -c "id"\n#'],
    ['a second word', '10.9.9.9 dev'],
    ['a tab', '10.9.9.9\tdev'],
    ['a comment', '10.9.9.9#'],
    ['an escape', '10.9.9.9\\'],
    ['a quote in the middle', 'a"b'],
    ['a quote of the other kind', "a'b"],
    ['nothing', ''],
    ['a no-break space', '10.9.9.9\u00a0dev'],
    ['a zero byte', '10.9.9.9\0'],
  ])('does not run if a word has %s', async (_, word) => {
    await expect(feed('tee', [out], [['link', 'add', word]])).rejects.toMatchObject({ code: 'ORDER_REFUSED' });
    await expect(readFile(out)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('that fails gives an error of bounded length', async () => {
    const error = await feed('sh', ['-c', 'head -c 100000 /dev/zero | tr "\\0" "x" >&2; exit 1'], [['x']]).catch(
      (e) => e,
    );
    expect(error.message.length).toBeLessThan(600);
  });
});
