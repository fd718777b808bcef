/** The commands of the page "Choose a policy for your city" work as typed. */
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '#shared/config/load.ts';
import { tagalong } from './cli.ts';

const PAGE = readFileSync(new URL('../../simulations/CHOOSE.md', import.meta.url), 'utf8');
const TIMEOUT_MS = 120_000;

/** The code blocks of a language on the page. */
const blocks = (language: string) =>
  [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(([, text]) => text!);
const commands = blocks('sh').flatMap((text) => text.trim().split('\n'));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagalong-test-'));
  const [sites, log] = blocks('csv');
  const [settings] = blocks('yaml');
  await writeFile(join(folder, 'sites.csv'), sites!);
  await writeFile(join(folder, 'log.csv'), log!);
  await writeFile(join(folder, 'city.yaml'), settings!);
  await mkdir(join(folder, 'tracks'));
  for (const user of ['ann', 'bob']) await writeFile(join(folder, 'tracks', `${user}.gpx`), track());
});
afterAll(() => rm(folder, { recursive: true }));

/** A track from the harbour to the mission and back, two hours each way. */
function track(): string {
  const points = Array.from({ length: 240 }, (_, minute) => {
    const share = 1 - Math.abs(1 - minute / 120);
    const time = new Date(Date.UTC(2026, 0, 1) + minute * 60_000).toISOString();
    const [lat, lon] = [37.8043 - 0.0472 * share, -122.4101 - 0.0115 * share];
    return `<trkpt lat="${lat.toFixed(5)}" lon="${lon.toFixed(5)}"><time>${time}</time></trkpt>`;
  });
  return `<?xml version="1.0"?>\n<gpx version="1.1" creator="test"><trk><trkseg>${points.join('\n')}</trkseg></trk></gpx>\n`;
}

/** The arguments of a command, with its files in the folder. */
function argsOf(command: string): string[] {
  const names = ['sites.csv', 'log.csv', 'tracks', 'city.yaml', 'report.html'];
  const [npx, name, ...args] = command.split(' ');
  expect([npx, name]).toEqual(['npx', 'tagalong']);
  return args.map((arg) => (names.includes(arg) ? join(folder, arg) : arg));
}

test('the page has four commands', () => {
  expect(commands).toHaveLength(4);
  expect(commands.filter((command) => command.includes('--report report.html'))).toHaveLength(1);
});

describe('the command works:', { timeout: TIMEOUT_MS }, () => {
  test.each(commands)('%s', async (command) => {
    const { code, stdout, stderr } = await tagalong(argsOf(command));
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^cost, user-seconds +\d/m);
    expect(stdout).not.toContain('out-of-range');
    if (!command.includes('--report')) return;
    expect(await readFile(join(folder, 'report.html'), 'utf8')).toContain('Where VMs went: nearest');
    expect(Number(/^moves completed +(\d+) /m.exec(stdout)![1])).toBeGreaterThan(0);
  });
});

test('the settings of the page are valid', () => {
  for (const [i, text] of blocks('yaml').entries()) expect(() => parseConfig(text, `block ${i}`)).not.toThrow();
  expect(parseConfig(blocks('yaml')[1]!, 'the last').policy.name).toBe('nearest');
});
