/** The topology of a test bed: delay and loss of its cables, and invalid names. */
import { describe, expect, test } from 'vitest';
import { farApart, twoSites } from '#deploy/testbed/moves.ts';
import { delayLines } from '#deploy/testbed/netem.ts';
import { queueMs } from '#deploy/testbed/shape.ts';
import { impairments, longestRttMs, type Topology, topologies } from '#deploy/testbed/topology.ts';
import { CABLES_EACH, commandLine } from '#deploy/testbed/uml.ts';

const near = twoSites(1e6);
/** Two sites whose uplinks to one provider have these delays. */
const uneven = (provider: string, delays: readonly number[]): Topology => ({
  ...near,
  sites: near.sites.map((site, i) => ({
    ...site,
    uplinks: site.uplinks.map((uplink) => (uplink.provider === provider ? { ...uplink, delayMs: delays[i]! } : uplink)),
  })),
});

describe('delays and losses of a topology', () => {
  test('apply to the cables that have them only', () => {
    expect([...impairments(near).keys()]).toEqual([]);
    expect([...impairments(uneven('south', [0, 3])).entries()]).toEqual([
      ['bonn/south', { delayMs: 3, lossPercent: 0, rateBps: 1e6 }],
    ]);
    expect([...impairments(farApart(near, { lossPercent: 1 })).keys()]).toHaveLength(4);
    expect([...impairments(farApart(near, { clientRttMs: 8 })).entries()]).toEqual([
      ['phone', expect.objectContaining({ delayMs: 4 })],
    ]);
  });

  test('add up over both ends and both directions of a round trip', () => {
    const topology = uneven('south', [2, 5]);
    expect(longestRttMs(topology, 'oslo', 'south')).toBe(14);
    expect(longestRttMs(topology, 'bonn', 'south')).toBe(14);
    expect(longestRttMs(topology, 'oslo', 'north')).toBe(0);
    expect(longestRttMs(farApart(near, { rttMs: 100 }), 'oslo', 'north')).toBe(100);
  });

  test('lengthen a queue that is shorter than the round trip', () => {
    expect(queueMs(0)).toBe(queueMs(20));
    expect(queueMs(100)).toBe(100);
  });

  test('leave room for all bytes under way, also in the smallest packets', () => {
    const [line] = delayLines(['a', 'b'], { delayMs: 50, lossPercent: 0, rateBps: 12.5e6 });
    const limit = Number(/limit (\d+)/.exec(line!)![1]);
    expect(limit * 64).toBeGreaterThan(12.5e6 * 0.05);
  });
});

test('the cables of one kernel fit into its command line', () => {
  const cable = { delayMs: 1e4, lossPercent: 1, rateBps: 1e9 };
  const cables = Array.from({ length: CABLES_EACH }, () => cable);
  expect(commandLine('/run/tagalong/abcd/uml99', cables, 2000).join(' ').length).toBeLessThan(4000);
});

test.each(['access', 'delay'])(
  'a site or client must not have the name %s: the test bed has a namespace of that name',
  (name) => {
    const clients = [{ client: name }];
    expect(() => topologies.parse(JSON.stringify({ ...near, clients }), 'topology')).toThrow(
      expect.objectContaining({ code: 'TOPOLOGY_INVALID' }),
    );
  },
);
