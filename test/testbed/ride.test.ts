/** The claim, carried out: users ride past three sites, a real VM follows, and its client's connection lives on. */
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import type { EndedMove } from '#deploy/cli/output/tally.ts';
import type { ProbeReport } from '#services/probe/probe.ts';
import { onTestBed } from './needs.ts';

const ROOT = new URL('../../', import.meta.url).pathname;

onTestBed('npx tagalong testbed', () => {
  test('a VM follows its user past three sites, at least three times, and the connection survives', () => {
    const trace = `${ROOT}deploy/testbed/ride.csv`;
    const out = execFileSync(process.execPath, ['deploy/cli/main.ts', 'testbed', '--trace', trace, '--json'], {
      cwd: ROOT,
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
      timeout: 400_000,
    });
    const { moves, client } = JSON.parse(out) as { moves: EndedMove[]; client: ProbeReport };
    expect(moves.length).toBeGreaterThanOrEqual(3);
    expect(moves.slice(0, 3).map(({ from, to, outcome }) => ({ from, to, outcome }))).toEqual([
      { from: 'harbour', to: 'market', outcome: 'completed' },
      { from: 'market', to: 'hill', outcome: 'completed' },
      { from: 'hill', to: 'market', outcome: 'completed' },
    ]);
    for (const { figures } of moves) {
      expect(figures).toMatchObject({ subflows: 2, degraded: [] });
      expect(figures.pauseMs).toBeGreaterThan(0);
      expect(figures.interruptionMs).toBeGreaterThan(0);
      expect(figures.hypervisorDowntimeMs).toBeGreaterThan(0);
      // Both paths carried their share of what was moved.
      expect(figures.bytes).toBeGreaterThan(50e6);
      for (const bytes of Object.values(figures.bytesByPath)) expect(bytes / figures.bytes).toBeGreaterThan(0.3);
    }
    expect(client).toMatchObject({ transport: 'mptcp', connections: 1, resets: 0, ended: 'stopped' });
    expect(client).toMatchObject({ lostBytes: 0, reorderedBytes: 0, corruptedBytes: 0 });
    expect(client.sentBytes).toBeGreaterThan(0);
  }, 420_000);

  test('the testbed leaves nothing behind', () => {
    const out = execFileSync(process.execPath, ['deploy/cli/main.ts', 'testbed', '--sweep'], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    expect(out).toBe('');
  });
});
