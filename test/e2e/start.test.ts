import { expect, test, vi } from 'vitest';
import type { PlacementStatus } from '#services/placement/status.ts';
import { northeastCorridor } from '#simulations/scenarios/northeast-corridor.ts';
import { begin, tagalong } from './cli.ts';

const SCENARIO_MS = 120_000;

/** The cells of a printed table, by the first cell of their row. */
function rows(text: string): Map<string, string[]> {
  return new Map(
    text.split('\n').map((line) => {
      const [first = '', ...others] = line.split(/ {2,}/);
      return [first, others];
    }),
  );
}

test(
  'start --once runs the whole scenario, and the figures of its table agree',
  async () => {
    const scenario = northeastCorridor();
    const { code, stdout, stderr } = await tagalong(['start', '--once', '--speed', 'max', '--port', '0']);
    expect(code, stderr).toBe(0);

    const table = rows(stdout);
    const sites = scenario.sites.map(({ site }) => table.get(site)!.map(Number) as [number, number, number, number]);
    for (const [atFirst, arrived, left, atEnd] of sites) expect(atFirst + arrived - left).toBe(atEnd);
    expect(sites.reduce((sum, [atFirst]) => sum + atFirst, 0)).toBe(scenario.vms.length);
    expect(sites.reduce((sum, [, , , atEnd]) => sum + atEnd, 0)).toBe(scenario.vms.length);

    const [moves] = table.get('moves')!;
    const [ordered, completed, failed, cancelled, underWay] = moves!.match(/\d+/g)!.map(Number);
    expect(completed! + failed! + cancelled! + underWay!).toBe(ordered);
    expect(completed).toBeGreaterThan(0);
    expect(sites.reduce((sum, [, arrived]) => sum + arrived, 0)).toBe(completed);
    // Each ended move has its line.
    expect(stderr.match(/^\d\d:\d\d:\d\d {2}vm-\d+ .* → /gm)).toHaveLength(completed! + failed! + cancelled!);

    const fixes = [...scenario.fixes()].length;
    expect(table.get('locations')).toEqual([`${fixes}`]);
    expect(table.get('repeats dropped')).toEqual([`${scenario.duplicatePoints}`]);
    expect(table.get('of users without a VM')).toEqual(['0']);
    const implausible = table.get('implausible')![0]!.match(/\d+/g)!.map(Number);
    expect(implausible.reduce((sum, n) => sum + n, 0)).toBeLessThanOrEqual(scenario.wildPoints);
  },
  SCENARIO_MS,
);

test(
  'an operator can inspect, explain, move, cancel and drain while start runs, and it ends with its table',
  async () => {
    // A slow clock, so that no other move begins, and no move ends before the next order.
    const running = begin(['start', '--speed', '0.2', '--port', '0']);
    const env = { TAGALONG_URL: await running.url() };
    const json = async (...args: string[]) => {
      const { code, stdout, stderr } = await tagalong([...args, '--json'], env);
      expect(stderr).toBe('');
      expect(code).toBe(0);
      return JSON.parse(stdout);
    };
    const status = (): Promise<PlacementStatus & { migrations: { migration: string; vm: string }[] }> => json('status');
    const { vm, home } = northeastCorridor().vms.reduce((a, b) => (b.spec.ramBytes > a.spec.ramBytes ? b : a));
    const to = home === 'boston' ? 'washington' : 'boston';

    expect((await status()).vms.find((one) => one.vm === vm)).toMatchObject({ home, movingTo: null });
    expect(await json('explain', vm)).toMatchObject({ vm, home, policy: 'tagalong' });
    expect((await tagalong(['explain', vm], env)).stdout).toMatch(new RegExp(`^${vm} .*${home}.*\\.\n`));

    expect(await json('migrate', vm, '--to', to)).toEqual({ vm, to });
    const { migrations } = await status();
    const { migration } = migrations.find((one) => one.vm === vm)!;
    expect((await tagalong(['status'], env)).stdout).toMatch(new RegExp(`^${migration} +${home} → ${to} `, 'm'));
    expect((await tagalong(['explain', vm], env)).stdout).toContain(`${vm} is moving from ${home} to ${to}.`);
    const again = await tagalong(['migrate', vm, '--to', to], env);
    expect(again).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^tagalong: MOVE_REFUSED: .*\n$/),
    });

    expect(await json('cancel', migration)).toEqual({ migration });
    await vi.waitFor(
      async () => expect((await status()).vms.find((one) => one.vm === vm)).toMatchObject({ home, movingTo: null }),
      { timeout: 60_000 },
    );

    const draining = async () => (await status()).sites.filter((site) => site.draining).map(({ site }) => site);
    const atBaltimore = (await status()).vms.filter((one) => one.home === 'baltimore').length;
    expect(await json('drain', 'baltimore', '--yes')).toEqual({ site: 'baltimore', draining: true, vms: atBaltimore });
    await vi.waitFor(async () => expect(await draining()).toEqual(['baltimore']), { timeout: 60_000 });
    expect(await json('drain', 'baltimore', '--off')).toEqual({ site: 'baltimore', draining: false });
    await vi.waitFor(async () => expect(await draining()).toEqual([]), { timeout: 60_000 });

    const { code, stdout, stderr } = await running.stop('SIGINT');
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^moves .*[1-9]\d* cancelled/m);
    expect(stderr).toMatch(new RegExp(`${vm} .* → ${to} +cancelled by operator`));
  },
  SCENARIO_MS,
);
