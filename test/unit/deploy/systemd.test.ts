/** systemd accepts the units, and the units start existing commands. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PROCESSES } from '#services/process/modules.ts';

const ROOT = new URL('../../../', import.meta.url).pathname;
const UNITS = ['tagalong-agent.service', 'tagalong@.service'];
/** Keys that systemd knows since a version. An older one ignores them with a warning. */
const NEW_KEYS = { DelegateSubgroup: 254 };
/** The text of a unit, with the paths of this checkout. */
const unit = (name: string) => readFileSync(`${ROOT}deploy/systemd/${name}`, 'utf8').replaceAll('/opt/tagalong/', ROOT);
const INSTANCES = [...PROCESSES, 'up'];

/** The version of systemd here; 0: there is none. */
function systemdVersion(): number {
  try {
    return Number(/\d+/.exec(execFileSync('systemd-analyze', ['--version'], { encoding: 'utf8' }))![0]);
  } catch {
    return 0;
  }
}
const version = systemdVersion();

const name = 'systemd accepts the unit';
describe.skipIf(version === 0)(version > 0 ? name : `${name} (skipped: systemd-analyze is missing)`, () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tagalong-units-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  /** @returns the complaints of systemd about a unit; empty if there are none */
  const verify = async (file: string, text: string, asked = file) => {
    const known = Object.entries(NEW_KEYS).reduce(
      (all, [key, since]) => (version < since ? all.replace(new RegExp(`^${key}=.*$`, 'm'), '') : all),
      text,
    );
    writeFileSync(join(folder, file), known);
    const done = promisify(execFile)('systemd-analyze', ['verify', join(folder, asked)]).catch((error) => error);
    return ((await done) as { stderr: string }).stderr;
  };

  test('of the agent', async () => {
    expect(await verify('tagalong-agent.service', unit('tagalong-agent.service'))).toBe('');
  });

  test.each(INSTANCES)('of %s', async (service) => {
    expect(await verify('tagalong@.service', unit('tagalong@.service'), `tagalong@${service}.service`)).toBe('');
  });

  test('but not one with an unknown key or a missing program', async () => {
    const text = unit('tagalong-agent.service');
    expect(await verify('wrong.service', text.replace('ProtectHome', 'ProtektHome'))).toContain(
      "Unknown key 'ProtektHome'",
    );
    expect(await verify('gone.service', text.replaceAll('.bin/node', '.bin/nodx'))).toContain('nodx');
  });
});

test('the units start commands of ours with existing options', async () => {
  const commands = UNITS.flatMap((name) =>
    [...unit(name).matchAll(/^ExecStart(?:Pre)?=-?(.*)$/gm)].map(([, line]) => line!),
  );
  expect(commands).toHaveLength(3);
  for (const line of commands) {
    const [, command, option] = /deploy\/cli\/main\.ts (\S+) (--config) \/etc\/tagalong\//.exec(line)!;
    for (const name of command === '%i' ? INSTANCES : [command!]) {
      const { stdout } = await promisify(execFile)(`${ROOT}node_modules/.bin/node`, [
        `${ROOT}deploy/cli/main.ts`,
        name,
        '--help',
      ]);
      expect(stdout).toContain(`tagalong ${name} [options]`);
      expect(stdout).toContain(option!);
    }
  }
});

test('systemd leaves the VMs of a stopped agent running', () => {
  expect(unit('tagalong-agent.service')).toMatch(/^KillMode=process$/m);
});
