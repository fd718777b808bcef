/** A user rides past three sites, a real VM follows, and the connection of its client survives. */
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import type { EndedMove } from '#deploy/cli/output/tally.ts';
import type { ProbeReport } from '#services/probe/probe.ts';
import { file } from '../e2e/cli.ts';
import { longOr } from '../long.ts';
import { onTestBed } from './needs.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
const RIDE = `${ROOT}deploy/testbed/ride.csv`;

/** The first 72 s of the ride: past all three sites, without the way back. */
async function wayThere(): Promise<string> {
  const lines = (await readFile(RIDE, 'utf8')).split('\n');
  return file('ride.csv', lines.slice(0, 146).join('\n'));
}

onTestBed('npx tagalong testbed', () => {
  test('a VM follows its user past three sites, and the connection survives', async () => {
    const trace = longOr(await wayThere(), RIDE);
    const out = execFileSync(process.execPath, ['deploy/cli/main.ts', 'testbed', '--trace', trace, '--json'], {
      cwd: ROOT,
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
      timeout: 400_000,
    });
    const { moves, client } = JSON.parse(out) as { moves: EndedMove[]; client: ProbeReport };
    const there = [
      { from: 'harbour', to: 'market', outcome: 'completed' },
      { from: 'market', to: 'hill', outcome: 'completed' },
    ];
    const back = { from: 'hill', to: 'market', outcome: 'completed' };
    const expected = longOr(there, [...there, back]);
    const carriedOut = moves.map(({ from, to, outcome }) => ({ from, to, outcome }));
    expect(carriedOut.slice(0, expected.length)).toEqual(expected);
    for (const { figures } of moves) {
      expect(figures).toMatchObject({ subflows: 2, degraded: [] });
      expect(figures.pauseMs).toBeGreaterThan(0);
      expect(figures.interruptionMs).toBeGreaterThan(0);
      expect(figures.hypervisorDowntimeMs).toBeGreaterThan(0);
      // Both paths carried a share of the bytes.
      expect(figures.bytes).toBeGreaterThan(50e6);
      for (const bytes of Object.values(figures.bytesByPath)) expect(bytes / figures.bytes).toBeGreaterThan(0.3);
    }
    expect(client).toMatchObject({ transport: 'mptcp', connections: 1, resets: 0, ended: 'stopped' });
    expect(client).toMatchObject({ lostBytes: 0, reorderedBytes: 0, corruptedBytes: 0 });
    expect(client.sentBytes).toBeGreaterThan(0);
  }, 420_000);

  test('the test bed leaves nothing to sweep', () => {
    const out = execFileSync(process.execPath, ['deploy/cli/main.ts', 'testbed', '--sweep'], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    expect(out).toBe('');
  });
});
