/** Collecting the data of a report does not change the run, and the data add up to the result of the run. */
import { describe, expect, test } from 'vitest';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import type { Fact } from '#shared/events/index.ts';
import { run } from '#simulations/engine.ts';
import { ReportDataCollector } from '#simulations/report-data/collector.ts';
import { playOf, type Subject } from '#simulations/subject.ts';

const SUBJECTS: Readonly<Record<string, Subject>> = {
  'made-up users': { kind: 'generated', generator: 'random-waypoint,users=40,steps=900,sites=25,spacingM=800' },
  'the shipped scenario': { kind: 'scenario' },
};
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const TIMEOUT_MS = 120_000;

async function runOf(subject: Subject, policy: string) {
  const config = { ...DEFAULT_CONFIG, policy: { ...DEFAULT_CONFIG.policy, name: policy } };
  const plain = await run({ ...(await playOf(subject, 1)), config });
  const play = await playOf(subject, 1);
  const watcher = new ReportDataCollector(play.sites, config.policy, 1000);
  const switchedMs: number[] = [];
  const observe = ({ type, data }: Fact) => {
    if (type === 'migration.switched.v1') switchedMs.push(data.atMs);
  };
  const result = await run({ ...play, config, watcher, observe });
  return { plain, result, switchedMs, reportData: watcher.reportData() };
}

describe.each(Object.entries(SUBJECTS))('the report data of %s', { timeout: TIMEOUT_MS }, (_, subject) => {
  test.each(['tagalong', 'nearest', 'never'])('by %s', async (policy) => {
    const { plain, result, switchedMs, reportData } = await runOf(subject, policy);
    expect(JSON.stringify(result)).toBe(JSON.stringify(plain));

    const { cost, migrations, locations, vms, fromMs, toMs } = result;
    expect(reportData.rttMs.weight / 3600).toBeCloseTo(cost.userHours, 6);
    expect(reportData.rttMs.steps.at(-1)!.share).toBeCloseTo(1, 9);
    expect(sum([...reportData.density.counts]) + reportData.density.outside).toBe(locations.quiet! + locations.looked!);
    expect(sum(reportData.movesByMinute)).toBe(migrations.completed);
    expect(sum(reportData.sites.map(({ arrived }) => arrived))).toBe(migrations.completed);
    expect(sum(reportData.flows.map(({ moves }) => moves))).toBe(migrations.completed);
    expect(reportData.interruptionMs.weight).toBe(migrations.completed);
    expect(reportData.interruptionMs.max).toBe(migrations.interruptionMs.max);
    expect(Math.abs(reportData.interruptionMs.p50 - migrations.interruptionMs.p50)).toBeLessThanOrEqual(
      0.0028 * migrations.interruptionMs.p50,
    );
    // Moves that are under way at the end of the run complete later.
    expect(reportData.dwellMs.weight).toBe(switchedMs.filter((atMs) => atMs <= toMs).length);
    expect(reportData.stayed).toBe(vms);
    // Every VM is at a site from its first position to the end.
    expect(sum(reportData.sites.map(({ vmHours }) => vmHours)) / ((vms * (toMs - fromMs)) / 3_600_000)).toBeCloseTo(
      1,
      2,
    );

    const { worst } = reportData;
    expect(worst).toHaveLength(vms);
    expect(sum(worst.map(({ servingUserMs }) => servingUserMs)) / cost.servingUserMs).toBeCloseTo(1, 9);
    expect(sum(worst.map(({ movingUserMs }) => movingUserMs))).toBeCloseTo(cost.movingUserMs, 3);
    expect(sum(worst.map(({ moves }) => moves))).toBe(migrations.completed);
    const costs = worst.map(({ servingUserMs, movingUserMs }) => servingUserMs + movingUserMs);
    expect(costs).toEqual(costs.toSorted((a, b) => b - a));
    if (policy !== 'never') expect(migrations.completed).toBeGreaterThan(5);
  });

  test('explain the worst VMs at a time of their most expensive stay', async () => {
    const { worst } = (await runOf(subject, 'never')).reportData;
    for (const { vm, worst: stay, explained } of worst.slice(0, 5)) {
      expect(explained).toBeDefined();
      expect(explained!.atMs).toBeGreaterThanOrEqual(stay.fromMs);
      expect(explained!.atMs).toBeLessThanOrEqual(stay.toMs);
      expect(explained!.explanation).toMatchObject({ vm, home: stay.site, policy: 'never' });
      expect(explained!.explanation.candidates.map(({ site }) => site)).toContain(stay.site);
    }
  });
});
