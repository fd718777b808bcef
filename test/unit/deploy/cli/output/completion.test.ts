import { execFileSync } from 'node:child_process';
import { Argument, Command, Option } from 'commander';
import { describe, expect, test } from 'vitest';
import { completionScript } from '#deploy/cli/output/completion.ts';

const ROOT = new URL('../../../../../', import.meta.url).pathname;

function program(): Command {
  const tool = new Command('tool').helpCommand(false);
  tool
    .command('run')
    .description("run it, don't ask")
    .option('--config <file>', 'settings')
    .addOption(new Option('--kind <kind>', 'of what').choices(['real', 'made']))
    .option('--once', 'once');
  tool.command('site').command('list').option('--json', 'print JSON');
  tool.command('completion').addArgument(new Argument('<shell>').choices(['bash', 'fish']));
  return tool;
}

describe('bash', () => {
  const script = completionScript(program(), 'bash');
  /** The completions that bash offers for the last word. */
  const offered = (...words: string[]) => {
    const ask = 'eval "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tool; echo ' + '"$' + '{COMPREPLY[@]}"';
    const args = ['--norc', '-c', ask, 'bash', script, 'tool', ...words];
    return execFileSync('bash', args, { cwd: ROOT, encoding: 'utf8' }).split(/\s/).filter(Boolean);
  };

  test('completes a command, and its commands and options', () => {
    expect(offered('')).toEqual(['run', 'site', 'completion', '--help']);
    expect(offered('ru')).toEqual(['run']);
    expect(offered('site', 'l')).toEqual(['list']);
    expect(offered('site', 'list', '--j')).toEqual(['--json']);
    expect(offered('completion', 'f')).toEqual(['fish']);
  });

  test('completes the choices of an option, or files', () => {
    expect(offered('run', '--kind', '')).toEqual(['real', 'made']);
    expect(offered('run', '--config', 'package.js')).toEqual(['package.json']);
    expect(offered('run', '--once', '--co')).toEqual(['--config']);
  });
});

test('zsh runs the script of bash with its own bashcompinit', () => {
  expect(completionScript(program(), 'zsh')).toMatch(/^autoload -U \+X bashcompinit && bashcompinit\n_tool\(\) \{\n/);
});

test('fish gets a line for each completion, with its description and escaped quotes', () => {
  const lines = completionScript(program(), 'fish').split('\n');
  expect(lines).toContain(
    "complete -c tool -f -n 'not __fish_seen_subcommand_from run site completion' -a run -d 'run it, don\\'t ask'",
  );
  expect(lines).toContain(
    "complete -c tool -n '__fish_seen_subcommand_from run' -l kind -r -f -a 'real made' -d 'of what'",
  );
  expect(lines).toContain("complete -c tool -n '__fish_seen_subcommand_from run' -l once -d 'once'");
});
