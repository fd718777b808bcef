import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { TagalongError } from '#shared/errors.ts';
import { createLog } from '#shared/log.ts';
import { repeatedFault } from '#shared/log-repeats.ts';

const lines: Record<string, unknown>[] = [];
const log = createLog('info', { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
const away = new TagalongError('STORE_UNREACHABLE', 'records: no answer', { cause: new Error('records: no answer') });

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => {
  vi.useRealTimers();
  lines.length = 0;
});

test('a fault that repeats each second gives one line a minute with its number of repeats', () => {
  const { failed } = repeatedFault(log, 'it failed');
  for (let second = 0; second <= 180; second++) {
    failed(away);
    vi.advanceTimersByTime(1000);
  }
  expect(lines.map(({ msg, times }) => [msg, times])).toEqual([
    ['it failed', undefined],
    ['it failed', 60],
    ['it failed', 60],
    ['it failed', 60],
  ]);
});

test('a fault of another kind is logged at once, and the end of all faults once', () => {
  const { failed, succeeded } = repeatedFault(log, 'it failed', 'warn');
  succeeded();
  failed(away);
  failed(new TagalongError('STORE_CONFLICT', 'records: somebody else'));
  vi.advanceTimersByTime(2500);
  succeeded();
  succeeded();
  failed(away);
  const logged = lines.map(({ level, msg, err }) => [level, msg, (err as { code?: string } | undefined)?.code]);
  expect(logged).toEqual([
    ['warn', 'it failed', 'STORE_UNREACHABLE'],
    ['warn', 'it failed', 'STORE_CONFLICT'],
    ['info', 'it failed: over', undefined],
    ['warn', 'it failed', 'STORE_UNREACHABLE'],
  ]);
  expect(lines[2]).toMatchObject({ times: 2, lastedMs: 2500 });
});

test('an error of ours is logged with its code and message, without its causes', () => {
  repeatedFault(log, 'it failed').failed(away);
  expect(lines[0]!.err).toEqual({
    type: 'TagalongError',
    name: 'TagalongError',
    code: 'STORE_UNREACHABLE',
    message: 'records: no answer',
  });
});
