import { describe, expect, test } from 'vitest';
import { createLog, type Log, serviceLog } from '#shared/log.ts';

/** Calls a function with a logger. @returns the logged lines */
function written(write: (log: Log) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  write(createLog('debug', { write: (line) => void lines.push(line) }));
  return lines.map((line) => JSON.parse(line));
}

const HERE = { user: 'ann', lat: 41.4993, lon: -81.6944, coordinates: [41.4993, -81.6944] };
const traces = ['ann', '41.4993', '81.6944', 'opensesame'];

describe('the log withholds personal data and credentials', () => {
  test.each<[string, (log: Log) => void]>([
    ['in the object itself', (log) => log.info({ ...HERE, vm: 'v1' }, 'seen')],
    [
      'in an event in a list in an object',
      (log) => log.info({ batch: [{ event: { data: { fix: HERE, vm: 'v1' } } }], vm: 'v1' }),
    ],
    ['in an error', (log) => log.error({ err: Object.assign(new Error('lost'), { fix: HERE }), vm: 'v1' })],
    [
      'in an error without an object around it',
      (log) => log.error(Object.assign(new Error('lost'), HERE, { vm: 'v1' })),
    ],
    ['in an object with toJSON', (log) => log.info({ shown: { toJSON: () => HERE }, vm: 'v1' })],
    ['in the bindings of a child logger', (log) => log.child({ ...HERE, vm: 'v1' }).info('seen')],
    ['as a credential', (log) => log.info({ headers: { authorization: 'opensesame' }, token: 'opensesame', vm: 'v1' })],
  ])('%s', (_where, write) => {
    const text = JSON.stringify(written(write));
    for (const trace of traces) expect(text).not.toContain(trace);
    expect(text).toContain('[withheld]');
    expect(text).toContain('v1');
  });
});

test('a line has the time in ISO 8601, the name of the level, the service, and all other data', () => {
  const [line] = written((log) =>
    serviceLog(log, 'ingest').info({ vm: 'v1', at: new Date(0), n: [1, { x: null }] }, 'done'),
  );
  expect(line).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    service: 'ingest',
    vm: 'v1',
    at: '1970-01-01T00:00:00.000Z',
    n: [1, { x: null }],
    msg: 'done',
  });
});

test('an error keeps its message, code and stack', () => {
  const [line] = written((log) => log.error(Object.assign(new Error('lost'), { code: 'X' }), 'failed'));
  expect(line).toMatchObject({
    msg: 'failed',
    err: { type: 'Error', message: 'lost', code: 'X', stack: expect.stringContaining('log.test.ts') },
  });
});

test('an object that contains itself does not hang the process', () => {
  const circle: Record<string, unknown> = { vm: 'v1' };
  circle.self = circle;
  expect(JSON.stringify(written((log) => log.info(circle)))).toContain('[too deep]');
});

test('lines below the level are not written', () => {
  expect(written((log) => log.trace('nothing'))).toEqual([]);
});
