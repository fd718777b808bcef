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

test('a fault that comes each second is one line a minute, which says how often it was', () => {
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

test('a fault of another kind is said at once, and the end of all of them once', () => {
  const { failed, succeeded } = repeatedFault(log, 'it failed', 'warn');
  succeeded();
  failed(away);
  failed(new TagalongError('STORE_CONFLICT', 'records: somebody else'));
  vi.advanceTimersByTime(2500);
  succeeded();
  succeeded();
  failed(away);
  const said = lines.map(({ level, msg, err }) => [level, msg, (err as { code?: string } | undefined)?.code]);
  expect(said).toEqual([
    ['warn', 'it failed', 'STORE_UNREACHABLE'],
    ['warn', 'it failed', 'STORE_CONFLICT'],
    ['info', 'it failed: over', undefined],
    ['warn', 'it failed', 'STORE_UNREACHABLE'],
  ]);
  expect(lines[2]).toMatchObject({ times: 2, lastedMs: 2500 });
});

test('an error of ours is logged by code and message, which does not repeat those of its causes', () => {
  repeatedFault(log, 'it failed').failed(away);
  expect(lines[0]!.err).toEqual({
    type: 'TagalongError',
    name: 'TagalongError',
    code: 'STORE_UNREACHABLE',
    message: 'records: no answer',
  });
});
