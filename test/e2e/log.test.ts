/** The log of a process, from its start to its end. */
import { expect, test } from 'vitest';
import { begin, file, tagalong } from './cli.ts';

const TOKEN = 'a token of more than sixteen';
const VMS = 40;
const SETTINGS = {
  http: { port: 0, token: TOKEN },
  sites: ['west', 'east'].map((site, i) => ({
    ...{ site, lat: 52, lon: 4 + i, slots: VMS },
    uplinks: [{ provider: 'a', rateBps: 125_000_000 }],
  })),
  vms: Array.from({ length: VMS }, (_, i) => ({
    ...{ vm: `desk-${i}`, home: 'west' },
    spec: { ramBytes: 1e7, dirtyRateBps: 1000, workingSetBytes: 1e6 },
  })),
};

test('the log begins with version and configuration, has few lines for many VMs and the figures of a move, and ends at SIGHUP', {
  timeout: 120_000,
}, async () => {
  const running = begin(['up', '--config', await file('tagalong.yaml', JSON.stringify(SETTINGS))]);
  const url = await running.url();
  const moved = await tagalong(['migrate', 'desk-7', '--to', 'east', '--url', url], { TAGALONG_TOKEN: TOKEN });
  expect(moved.code).toBe(0);
  await running.printed(/"event":"migration\.completed\.v1"/);
  const { code, stderr } = await running.stop('SIGHUP');
  expect(code).toBe(0);
  const lines = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines[0]).toMatchObject({
    ...{ msg: 'started', service: 'up', version: expect.stringMatching(/^\d+\.\d+\.\d+/) },
    ...{ policy: 'tagalong', sites: ['west', 'east'], vms: VMS, bus: 'memory', store: 'memory' },
  });
  expect(lines.at(-1)).toMatchObject({ msg: 'ended in order' });
  expect(stderr).not.toContain(TOKEN);
  expect(lines.filter(({ msg }) => /declared/.test(msg))).toMatchObject([{ vms: VMS, of: VMS }]);
  expect(lines.find(({ event }) => event === 'migration.completed.v1')).toMatchObject({
    ...{ vm: 'desk-7', durationMs: expect.any(Number), pauseMs: expect.any(Number), bytes: expect.any(Number) },
  });
  expect(lines.length).toBeLessThan(VMS);
});
