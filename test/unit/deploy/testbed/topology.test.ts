/** What a test bed's description asks of its cables, and what it must not say. */
import { describe, expect, test } from 'vitest';
import { farApart, twoSites } from '#deploy/testbed/moves.ts';
import { delayLines } from '#deploy/testbed/netem.ts';
import { queueMs } from '#deploy/testbed/shape.ts';
import { impairments, longestRttMs, type Topology, topologies } from '#deploy/testbed/topology.ts';
import { CABLES_EACH, commandLine } from '#deploy/testbed/uml.ts';

const near = twoSites(1e6);
/** Every uplink to a provider with another delay. */
const uneven = (provider: string, delays: readonly number[]): Topology => ({
  ...near,
  sites: near.sites.map((site, i) => ({
    ...site,
    uplinks: site.uplinks.map((uplink) => (uplink.provider === provider ? { ...uplink, delayMs: delays[i]! } : uplink)),
  })),
});

describe('delay and loss of a topology', () => {
  test('are of the cables that ask for them, and of no other', () => {
    expect([...impairments(near).keys()]).toEqual([]);
    expect([...impairments(uneven('south', [0, 3])).entries()]).toEqual([
      ['bonn/south', { delayMs: 3, lossPercent: 0, rateBps: 1e6 }],
    ]);
    expect([...impairments(farApart(near, { lossPercent: 1 })).keys()]).toHaveLength(4);
    expect([...impairments(farApart(near, { clientRttMs: 8 })).entries()]).toEqual([
      ['phone', expect.objectContaining({ delayMs: 4 })],
    ]);
  });

  test('make a round trip that pays the delays of both ends, there and back', () => {
    const topology = uneven('south', [2, 5]);
    expect(longestRttMs(topology, 'oslo', 'south')).toBe(14);
    expect(longestRttMs(topology, 'bonn', 'south')).toBe(14);
    expect(longestRttMs(topology, 'oslo', 'north')).toBe(0);
    expect(longestRttMs(farApart(near, { rttMs: 100 }), 'oslo', 'north')).toBe(100);
  });

  test('lengthen the queue where a round trip is longer than it', () => {
    expect(queueMs(0)).toBe(queueMs(20));
    expect(queueMs(100)).toBe(100);
  });

  test('leave room for all that is under way, were it of the smallest packets', () => {
    const [line] = delayLines(['a', 'b'], { delayMs: 50, lossPercent: 0, rateBps: 12.5e6 });
    const limit = Number(/limit (\d+)/.exec(line!)![1]);
    expect(limit * 64).toBeGreaterThan(12.5e6 * 0.05);
  });
});

test('as many cables as one kernel is given fit into its command line', () => {
  const cable = { delayMs: 1e4, lossPercent: 1, rateBps: 1e9 };
  const cables = Array.from({ length: CABLES_EACH }, () => cable);
  expect(commandLine('/run/tagalong/abcd/uml99', cables, 2000).join(' ').length).toBeLessThan(4000);
});

test.each(['access', 'delay'])(
  'a site or client cannot be called %s: the test bed has a namespace of that name',
  (name) => {
    const clients = [{ client: name }];
    expect(() => topologies.parse(JSON.stringify({ ...near, clients }), 'topology')).toThrow(
      expect.objectContaining({ code: 'TOPOLOGY_INVALID' }),
    );
  },
);
