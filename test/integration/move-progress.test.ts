/** An operator sees the progress of a move. */
import { expect, test } from 'vitest';
import { createPacedSystem } from '#services/process/paced-system.ts';
import { simulatedMachines } from '#services/sites/hosts/simulated.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { pacedClock } from '#shared/clock/paced.ts';
import { parseConfig } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';

const RAM_BYTES = 1_250_000_000;
const CONFIG = {
  http: { port: 0 },
  sites: ['west', 'east'].map((site, i) => ({
    ...{ site, lat: 52, lon: 4 + i, slots: 4 },
    // The first round of pre-copy takes ten seconds.
    uplinks: [{ provider: 'a', rateBps: 125_000_000 }],
  })),
  vms: [{ vm: 'desk', home: 'west', spec: { ramBytes: RAM_BYTES, dirtyRateBps: 1e6, workingSetBytes: 5e6 } }],
};

interface Seen {
  readonly phase: string;
  readonly bytes: number;
}

test('status and dashboard show the phase and the growing bytes of a simulated move', async () => {
  const config = parseConfig(JSON.stringify(CONFIG), 'test');
  const clock = pacedClock(Date.UTC(2026, 0, 5), Number.POSITIVE_INFINITY);
  const system = createPacedSystem({
    ...{ config, clock, bus: memoryBus(), store: memoryStore(), log: createLog('silent') },
    machines: simulatedMachines(config, clock, true),
  });
  await system.start();
  const { url } = await system.listen();
  try {
    await system.placement.order('desk', 'east');
    await system.settle();
    const [status, dashboard]: [Seen[], Seen[]] = [[], []];
    for (let second = 0; second < 12; second++) {
      await clock.paceTo(clock.now() + 1000, () => system.settle());
      const [move] = system.migrator.status();
      if (move !== undefined) status.push({ phase: move.state, bytes: move.bytes });
      const past = await fetch(`${url}/dashboard/past?atMs=${clock.now()}`);
      const [shown] = ((await past.json()) as { moves: { phase: string; sentBytes: number }[] }).moves;
      dashboard.push({ phase: shown!.phase, bytes: shown!.sentBytes });
    }
    for (const seen of [status, dashboard]) {
      const copying = seen.filter(({ phase }) => phase === 'memory').map(({ bytes }) => bytes);
      // The first round alone gives ten samples, a second apart. All of them differ.
      expect(copying.length).toBeGreaterThan(6);
      expect(new Set(copying).size).toBe(copying.length);
      expect(copying).toEqual(copying.toSorted((a, b) => a - b));
      expect(copying.at(-1)).toBeGreaterThan(RAM_BYTES / 2);
      expect(copying.at(-1)).toBeLessThan(2 * RAM_BYTES);
    }
  } finally {
    await system.stop();
  }
});
