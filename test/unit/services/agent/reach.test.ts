import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { answerCalls, reachable } from '#services/agent/reach.ts';

const HERE = { provider: 'north', address: '127.0.0.1' };
const HERE_TOO = { provider: 'south', address: '127.0.0.2' };
/** The kernel connects nobody to a broadcast address, and sends nothing there. */
const NOWHERE = { provider: 'east', address: '255.255.255.255' };
const never = () => false;

describe('over which address a copy is connected', () => {
  let calls: Awaited<ReturnType<typeof answerCalls>>;
  beforeEach(async () => {
    calls = await answerCalls();
  });
  afterEach(() => calls.close());

  test('the preferred one, where all answer', async () => {
    expect(await reachable([HERE, HERE_TOO], calls.port, 1000, never)).toEqual([HERE, HERE_TOO]);
    expect(await reachable([HERE_TOO, HERE], calls.port, 1000, never)).toEqual([HERE_TOO, HERE]);
  });

  test('the next one, where the preferred one does not answer', async () => {
    expect(await reachable([NOWHERE, HERE, HERE_TOO], calls.port, 1000, never)).toEqual([HERE, HERE_TOO, NOWHERE]);
  });

  test('who refuses is there: its agent was started again, and listens elsewhere', async () => {
    calls.close();
    expect(await reachable([NOWHERE, HERE], calls.port, 1000, never)).toEqual([HERE, NOWHERE]);
  });

  test('none, where nobody answers for long enough, or nobody wants to know any more', async () => {
    const began = performance.now();
    await expect(reachable([NOWHERE], calls.port, 300, never)).rejects.toMatchObject({ code: 'STALLED' });
    expect(performance.now() - began).toBeGreaterThanOrEqual(300);
    await expect(reachable([NOWHERE], calls.port, 60_000, () => true)).rejects.toMatchObject({ code: 'STALLED' });
  });
});
