import { expect, test } from 'vitest';
import { createTurns } from '#services/users/turns.ts';

/** Turns whose first piece of work is under way until `end` is called. */
function busy() {
  const inTurn = createTurns();
  const done: string[] = [];
  const { promise, resolve: end } = Promise.withResolvers<void>();
  const first = inTurn('the first', () => promise);
  const ask = (name: string, device?: string) => inTurn(device, async () => void done.push(name));
  return { first, end, ask, done };
}

test('an admin comes before the devices that wait', async () => {
  const { end, ask, done } = busy();
  const all = [ask('ann', 'ann'), ask('bob', 'bob'), ask('erase'), ask('export')];
  end();
  await Promise.all(all);
  expect(done).toEqual(['erase', 'export', 'ann', 'bob']);
});

test('a device has one request at a time, also while it is under way', async () => {
  const { first, end, ask, done } = busy();
  await expect(ask('again', 'the first')).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
  const ann = ask('ann', 'ann');
  await expect(ask('again', 'ann')).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
  end();
  await Promise.all([first, ann]);
  await ask('later', 'ann');
  expect(done).toEqual(['ann', 'later']);
});

test('however many devices ask, few wait, and an admin still gets a turn', async () => {
  const { end, ask, done } = busy();
  const asked = Array.from({ length: 100 }, (_, i) => ask(`${i}`, `device ${i}`));
  const erasure = ask('erase');
  end();
  const outcomes = await Promise.allSettled(asked);
  await erasure;
  expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBeLessThan(10);
  expect(done[0]).toBe('erase');
});

test('work that fails does not stop the others', async () => {
  const inTurn = createTurns();
  const failing = inTurn('ann', () => Promise.reject(new Error('a fault')));
  const next = inTurn('bob', async () => 'done');
  await expect(failing).rejects.toThrow('a fault');
  expect(await next).toBe('done');
  expect(await inTurn('ann', async () => 'again')).toBe('again');
});
