/** `tagalong bench bus --quick` measures a real server, and removes its data there. */
import { expect } from 'vitest';
import { benchBus } from '#deploy/bench/bus/bus.ts';

/** @param left lists the data on the server */
export async function expectQuickBench(kind: 'nats' | 'kafka', server: string, left: () => Promise<unknown>) {
  const before = await left();
  const { rows } = await benchBus({ servers: [server], quick: true, seed: 1 });
  for (const { metric, value } of rows) {
    expect(Number.isFinite(value), metric).toBe(true);
    expect(value, metric).toBeGreaterThan(0);
  }
  const named = (text: string) => rows.filter(({ metric }) => metric.startsWith(`${kind}: `) && metric.includes(text));
  expect(named('placement to bare consumer'), 'with its aim').toMatchObject([{ aim: '>= 0.7' }]);
  expect(named('decision out')).toHaveLength(2);
  expect(named('partition')).toHaveLength(3);
  expect(named('backlog of 10,000')).toHaveLength(1);
  // This aim does not depend on the speed of the machine.
  expect(named('newest position')).toMatchObject([{ value: 100, met: true }]);
  expect(await left()).toEqual(before);
}
