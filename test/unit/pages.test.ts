/** The commands that the pages show: they exist, need no other program, and leave nothing that Git would add. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { createProgram } from '#deploy/cli/program.ts';

const root = new URL('../../', import.meta.url).pathname;
const text = (path: string) => readFileSync(root + path, 'utf8');
const files = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0').filter(Boolean);
const pages = files.filter((path) => path.endsWith('.md') && path !== 'CHANGELOG.md');

/** A command line of Tagalong on a page, without the program and a remark behind it. */
interface Shown {
  readonly page: string;
  readonly words: readonly string[];
}

/** The command lines in the blocks of code of a page. */
function shownOn(page: string): Shown[] {
  const blocks = [...text(page).matchAll(/^```\w*\n(.*?)^```/gms)].map(([, block]) => block!.replaceAll('\\\n', ' '));
  const lines = blocks.flatMap((block) => block.split('\n'));
  return lines.flatMap((line) => {
    const [, sourced, typed] =
      /<\((?:npx )?tagalong ([^)]*)\)|(?:^|&& )(?:npx )?tagalong (.*?)(?:\s{4,}.*)?$/.exec(line) ?? [];
    const command = sourced ?? typed;
    return command === undefined ? [] : [{ page, words: command.split(/\s+(?=(?:[^']*'[^']*')*[^']*$)/) }];
  });
}

const shown = pages.flatMap(shownOn);
const program = createProgram();

/** The command that the first words name, and the other words. */
function resolve(words: readonly string[]): { command: Command; rest: readonly string[] } {
  let command = program;
  let rest = words;
  while (rest.length > 0) {
    const next = command.commands.find((one) => one.name() === rest[0]);
    if (next === undefined) break;
    command = next;
    rest = rest.slice(1);
  }
  return { command, rest };
}

describe('the commands on the pages', () => {
  test('exist, with all their options', () => {
    expect(shown.length).toBeGreaterThan(60);
    const faults = shown.flatMap(({ page, words }) => {
      const { command, rest } = resolve(words);
      const known = [...command.options.filter(({ hidden }) => !hidden).map(({ long }) => long), '--help', '--version'];
      const options = rest.map((word) => word.replace(/^\[/, '')).filter((word) => word.startsWith('--'));
      const unknown = options.map((word) => word.replace(/[=\]].*$/, '')).filter((word) => !known.includes(word));
      const isCommand = command.parent !== null || options.length > 0;
      return isCommand && unknown.length === 0 ? [] : [`${page}: tagalong ${words.join(' ')}`];
    });
    expect(faults).toEqual([]);
  });

  test('leave files that Git ignores', () => {
    const results = new Set(
      shown.flatMap(({ words }) =>
        words.flatMap((word, i) => (/^--(report|csv|decisions|out)$/.test(words[i - 1] ?? '') ? [word] : [])),
      ),
    );
    const names = [...results].filter((name) => /^[a-z][\w.-]*$/.test(name));
    expect(names).toContain('report.html');
    const ignored = execFileSync('git', ['check-ignore', '--no-index', ...names], { cwd: root, encoding: 'utf8' });
    expect(ignored.trim().split('\n').sort()).toEqual(names.sort());
  });

  test('and those of scripts work for a root without sudo', () => {
    const own = 'test/unit/pages.test.ts';
    const told = files.filter((path) => /\.(md|sh|ts|yaml|service)$|(^|\/)[^.]+$/.test(path) && path !== own);
    expect(told.length).toBeGreaterThan(500);
    expect(told.filter((path) => /\bsudo\b/.test(text(path)))).toEqual([]);
  });
});

test('the page of the commands shows every command', () => {
  const of = shown.filter(({ page }) => page === 'deploy/cli/README.md').map(({ words }) => resolve(words).command);
  const all = (command: Command): Command[] =>
    command.commands.length === 0 ? [command] : command.commands.flatMap(all);
  const path = (command: Command): string =>
    command.parent === null ? '' : `${path(command.parent)} ${command.name()}`;
  expect(new Set(of.map(path).filter(Boolean))).toEqual(new Set(all(program).map(path)));
});

test('the README has 150 lines at most', () => {
  expect(text('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(150);
});
