/** Tests the report of `simulate --report` in a real browser: it shows the figures of the JSON of the same run. */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Comparison } from '#simulations/simulate.ts';
import { tagalong } from '../e2e/cli.ts';
import { longOr } from '../long.ts';
import { onBrowser, PHONE } from './browser.ts';

const TIMEOUT_MS = 120_000;
const POLICIES = ['tagalong', 'nearest', 'never'];
/** The sections with plots, and the number of plots in each. */
const PLOTS = { cost: 1, map: POLICIES.length, distributions: 3, moves: 1 };

let folder: string;
let comparison: Comparison;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagalong-test-'));
  comparison = await simulated('one', ['--policy', POLICIES.join()]);
}, TIMEOUT_MS);

afterAll(() => rm(folder, { recursive: true }));

/** Runs a comparison, and writes its page to `pageOf(name)`. */
async function simulated(name: string, args: readonly string[]): Promise<Comparison> {
  const json = join(folder, `${name}.json`);
  const { code, stderr } = await tagalong([
    'simulate',
    ...args,
    '--json',
    json,
    '--report',
    join(folder, `${name}.html`),
  ]);
  expect(code, stderr).toBe(0);
  return JSON.parse(await readFile(json, 'utf8')) as Comparison;
}

const pageOf = (name: string) => `file://${folder}/${name}.html`;

/** The cells of a table, row by row, without the header. */
async function rowsOf(page: Page, caption: string | RegExp): Promise<string[][]> {
  const rows = page.getByRole('table', { name: caption }).first().locator('tbody tr');
  return Promise.all((await rows.all()).map((row) => row.locator('th, td').allInnerTexts()));
}

/** Rounds to three digits, as the command line does. */
const digits = (value: number) => value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);

onBrowser('the report of a comparison', (withPage) => {
  describe.each<[string, BrowserContextOptions]>([
    // The file has no script, which a test below asserts.
    ['on a desk', { viewport: { width: 1280, height: 900 } }],
    ['on a phone', PHONE],
    ...longOr<[string, BrowserContextOptions][]>(
      [],
      [
        ['in the dark', { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' }],
        ['without scripts', { javaScriptEnabled: false }],
      ],
    ),
  ])('%s', { timeout: TIMEOUT_MS }, (where, options) => {
    test('opens without an error, sends no request, fits the screen, and each plot shows data', async () => {
      await withPage(options, async ({ page, errors, requests, screenshot }) => {
        await page.goto(pageOf('one'));
        await screenshot(`report-${where.replaceAll(' ', '-')}`);
        expect(errors).toEqual([]);
        expect(requests).toEqual([pageOf('one')]);
        const { width } = (await page.locator('html').boundingBox())!;
        expect(width).toBe(page.viewportSize()!.width);
        for (const part of await page.locator('header, nav, section, figure, details.vm').all()) {
          const box = await part.boundingBox();
          if (box !== null) expect(box.x + box.width).toBeLessThanOrEqual(width);
        }
        const size = width < 500 ? 'narrow' : 'wide';
        for (const [section, count] of Object.entries(PLOTS)) {
          const plots = page.locator(`#${section} .${size} svg.drawing`);
          expect(await plots.count()).toBe(count);
          for (const plot of await plots.all()) {
            expect(
              await plot.locator(':is([aria-label="bar"],[aria-label="line"],[aria-label="dot"]) > *').count(),
            ).toBeGreaterThan(0);
            expect(await plot.getAttribute('aria-label')).toMatch(/\w{3}/);
          }
          expect(await plots.first().isVisible()).toBe(true);
          expect(
            await page
              .locator(`#${section} .${size === 'wide' ? 'narrow' : 'wide'}`)
              .first()
              .isVisible(),
          ).toBe(false);
        }
      });
    });
  });

  test('names the simulated trace, and the policy that costs least', { timeout: TIMEOUT_MS }, async () => {
    await withPage({}, async ({ page }) => {
      await page.goto(pageOf('one'));
      const text = await page.locator('header').innerText();
      const { runs } = comparison;
      expect(text).toContain('northeast-corridor');
      expect(text).toContain(`${runs[0]!.users} users, ${runs[0]!.vms} VMs, ${runs[0]!.sites} sites`);
      expect(text).toContain('--policy tagalong,nearest,never');
      const costs = runs.map(({ cost }) => cost.totalUserMs);
      const least = runs[costs.indexOf(Math.min(...costs))]!;
      const seconds = Math.round(least.cost.totalUserMs / 1000).toLocaleString('en');
      expect(text).toContain(`${least.policy} costs least: ${seconds}\u00a0user-seconds`);
    });
  });

  test('has the numbers of the JSON in its tables', { timeout: TIMEOUT_MS }, async () => {
    await withPage({}, async ({ page }) => {
      await page.goto(pageOf('one'));
      const { runs, settings } = comparison;
      const least = Math.min(...runs.map(({ cost }) => cost.totalUserMs));
      expect(await rowsOf(page, 'User-seconds')).toEqual(
        runs.map(({ policy, cost, migrations }) => [
          policy,
          digits(cost.totalUserMs / 1000),
          (cost.totalUserMs / least).toFixed(3),
          digits(cost.servingUserMs / 1000),
          digits(cost.movingUserMs / 1000),
          String(migrations.completed),
        ]),
      );
      // The median comes from a histogram and is accurate to 0.3 %; count and maximum are exact.
      for (const [i, [policy, p50, , , max, moves]] of (await rowsOf(page, /^Interruption in ms/)).entries()) {
        const { count, ...exact } = runs[i]!.migrations.interruptionMs;
        expect([policy, moves]).toEqual([runs[i]!.policy, String(count)]);
        if (count === 0) continue;
        expect(Number(p50) / exact.p50).toBeCloseTo(1, 2);
        expect(max).toBe(exact.max.toFixed(1));
      }
      const perStep = await rowsOf(page, /^Moves in /);
      for (const [i, { migrations }] of runs.entries()) {
        const total = perStep.reduce((sum, row) => sum + Number(row[i + 1]), 0);
        expect(total).toBe(migrations.completed);
      }
      const arrived = (await rowsOf(page, 'Sites')).reduce((sum, row) => sum + Number(row[2]), 0);
      expect(arrived).toBe(runs[0]!.migrations.completed);
      const figures = new Map((await rowsOf(page, 'Figures')).map(([name, ...cells]) => [name!.trim(), cells]));
      expect(figures.get('moves completed')).toEqual(runs.map(({ migrations }) => String(migrations.completed)));
      expect(figures.get('locations that counted')).toEqual(
        runs.map(({ locations }) => String(locations.quiet! + locations.looked!)),
      );
      await page.getByText('Settings', { exact: true }).click();
      const shown = new Map((await rowsOf(page, /^As in the configuration/)).map(([name, value]) => [name, value]));
      expect(shown.get('network.accessMs')).toBe(String(settings.network.accessMs));
      expect(shown.get('policy.dwellMs')).toBe(settings.policy.dwellMs.toLocaleString('en'));
    });
  });

  test('explains why each of the worst VMs stayed at its site', {
    timeout: TIMEOUT_MS,
  }, async () => {
    await withPage({}, async ({ page }) => {
      await page.goto(pageOf('one'));
      await page.getByRole('radiogroup', { name: 'Policy of the VMs' }).getByText('never').click();
      const first = page.locator('#vms .pane:visible details').first();
      expect(await first.innerText()).toMatch(/costliest stay was at [\w-]+, from \d\d:\d\d:\d\d to/);
      expect(await first.innerText()).toMatch(
        /UTC: vm-\d+ (stays|is still) at [\w-]+: [\w-]+ would serve its \d users? better/,
      );
      const rows = await first.locator('tbody tr').allInnerTexts();
      expect(rows.filter((row) => row.includes('(here)'))).toHaveLength(1);
      expect(rows.filter((row) => /it |refuse|full|cost/.test(row)).length).toBe(rows.length - 1);
    });
  });

  test('works with the keyboard alone', { timeout: TIMEOUT_MS }, async () => {
    await withPage({}, async ({ page }) => {
      await page.goto(pageOf('one'));
      const tabTo = async (wanted: string) => {
        for (let i = 0; i < 60; i++) {
          await page.keyboard.press('Tab');
          if ((await page.locator(`${wanted}:focus`).count()) > 0) return;
        }
        throw new Error(`the tab key does not come to ${wanted}`);
      };
      await tabTo('nav a[href="#map"]');
      await page.keyboard.press('Enter');
      expect(page.url()).toBe(`${pageOf('one')}#map`);
      await tabTo('#maps-0');
      expect(await page.locator('#map .pane:visible h3').innerText()).toBe('Where VMs went: tagalong');
      await page.keyboard.press('ArrowRight');
      expect(await page.locator('#map .pane:visible h3').innerText()).toBe('Where VMs went: nearest');
      await tabTo('#vms .pane:first-child details:nth-of-type(2) summary');
      await page.keyboard.press('Enter');
      expect(await page.locator('#vms .pane:visible details').nth(1).getAttribute('open')).not.toBeNull();
      // Tab also reaches the areas with a scroll bar of their own.
      await tabTo('.scroll[tabindex="0"]');
    });
  });

  test('compares with the optimum if the run has it, and shows only the cost of the optimum', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const args = ['--generate', 'random-waypoint,users=15,steps=400,sites=25', '--policy', 'nearest,never,optimum'];
    const { runs } = await simulated('optimum', args);
    await withPage({}, async ({ page, errors, screenshot }) => {
      await page.goto(pageOf('optimum'));
      await screenshot('report-optimum');
      expect(errors).toEqual([]);
      const rows = await rowsOf(page, 'User-seconds');
      expect(rows.map(([policy, , ratio]) => [policy, ratio])).toEqual(
        runs.map(({ policy, cost }) => [policy, cost.timesOptimum!.toFixed(3)]),
      );
      expect(await page.locator('header .verdict').innerText()).toMatch(/ times the optimum\./);
      expect((await rowsOf(page, /^Interruption in ms/)).map(([policy]) => policy)).toEqual(['nearest', 'never']);
    });
  });

  test('shows means with their confidence for several seeds', { timeout: TIMEOUT_MS }, async () => {
    const args = [
      '--generate',
      'random-waypoint,users=15,steps=400,sites=25',
      '--policy',
      'nearest,never',
      '--seeds',
      '1-3',
    ];
    const { statistics } = await simulated('seeds', args);
    await withPage({}, async ({ page, errors, screenshot }) => {
      await page.goto(pageOf('seeds'));
      await screenshot('report-seeds');
      expect(errors).toEqual([]);
      const rows = await rowsOf(page, 'User-seconds, mean of 3 seeds ± 95 % confidence');
      for (const [i, { policy, figures }] of statistics!.policies.entries()) {
        const { mean, halfWidth } = figures.totalUserMs;
        expect(rows[i]!.slice(0, 2)).toEqual([policy, `${digits(mean / 1000)} ± ${digits(halfWidth / 1000)}`]);
      }
    });
  });
});

test('the file is small, has no script, and is the same for the same run', { timeout: TIMEOUT_MS }, async () => {
  const again = join(folder, 'one.html');
  const text = await readFile(again, 'utf8');
  await simulated('one', ['--policy', POLICIES.join()]);
  expect(await readFile(again, 'utf8')).toBe(text);
  expect(text).not.toMatch(/<script|javascript:|\bon\w+=|https?:\/\/(?!www\.w3\.org\/)/i);
  expect((await stat(again)).size).toBeLessThan(1_000_000);
});
