import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { answerCalls, reachable } from '#services/agent/reach.ts';

const HERE = { provider: 'north', address: '127.0.0.1' };
const HERE_TOO = { provider: 'south', address: '127.0.0.2' };
/** A broadcast address: the kernel refuses connections to it. */
const NOWHERE = { provider: 'east', address: '255.255.255.255' };
const never = () => false;

describe('the addresses for a copy', () => {
  let calls: Awaited<ReturnType<typeof answerCalls>>;
  beforeEach(async () => {
    calls = await answerCalls();
  });
  afterEach(() => calls.close());

  test('keep their order if all answer', async () => {
    expect(await reachable([HERE, HERE_TOO], calls.port, 1000, never)).toEqual([HERE, HERE_TOO]);
    expect(await reachable([HERE_TOO, HERE], calls.port, 1000, never)).toEqual([HERE_TOO, HERE]);
  });

  test('put one that does not answer last', async () => {
    expect(await reachable([NOWHERE, HERE, HERE_TOO], calls.port, 1000, never)).toEqual([HERE, HERE_TOO, NOWHERE]);
  });

  test('count one that refuses as reachable: its agent listens at another port after a restart', async () => {
    calls.close();
    expect(await reachable([NOWHERE, HERE], calls.port, 1000, never)).toEqual([HERE, NOWHERE]);
  });

  test('fail with STALLED after the time limit, or when the move is abandoned', async () => {
    const began = performance.now();
    await expect(reachable([NOWHERE], calls.port, 300, never)).rejects.toMatchObject({ code: 'STALLED' });
    expect(performance.now() - began).toBeGreaterThanOrEqual(300);
    await expect(reachable([NOWHERE], calls.port, 60_000, () => true)).rejects.toMatchObject({ code: 'STALLED' });
  });
});
