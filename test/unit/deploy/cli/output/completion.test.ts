import { execFileSync } from 'node:child_process';
import { Argument, Command, Option } from 'commander';
import { describe, expect, test } from 'vitest';
import { completedValues } from '#deploy/cli/commands/completed-values.ts';
import { completionScript } from '#deploy/cli/output/completion.ts';
import { createProgram } from '#deploy/cli/program.ts';

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
  tool.command('drain').argument('<site>').option('--to <site>', 'where').option('--policy <policies>', 'which');
  tool.command('completion').addArgument(new Argument('<shell>').choices(['bash', 'fish']));
  return tool;
}

const VALUES = { site: { ask: 'sites' }, policies: { words: ['mdp', 'nearest', 'never'], isList: true } } as const;

describe('bash', () => {
  const script = completionScript(program(), 'bash', VALUES);
  /** The completions that bash offers for the last word. */
  const offered = (...words: string[]) => {
    // The program itself, which knows the names of sites.
    const ask =
      'tool() { [[ $* == "completion sites" ]] && echo west && echo east; }; eval "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tool; echo ' +
      '"$' +
      '{COMPREPLY[@]}"';
    const args = ['--norc', '-c', ask, 'bash', script, 'tool', ...words];
    return execFileSync('bash', args, { cwd: ROOT, encoding: 'utf8' }).split(/\s/).filter(Boolean);
  };

  test('completes a command, and its commands and options', () => {
    expect(offered('')).toEqual(['run', 'site', 'drain', 'completion', '--help']);
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

  test('completes names that the running processes know, for an argument and for an option', () => {
    expect(offered('drain', 'w')).toEqual(['west']);
    expect(offered('drain', 'x', '--to', '')).toEqual(['west', 'east']);
    expect(offered('drain', '--')).toEqual(['--to', '--policy', '--help']);
  });

  test('completes each value of a list', () => {
    expect(offered('drain', '--policy', 'ne')).toEqual(['nearest', 'never']);
    expect(offered('drain', '--policy', 'mdp,nea')).toEqual(['mdp,nearest']);
  });
});

test('zsh runs the script of bash with its own bashcompinit', () => {
  expect(completionScript(program(), 'zsh')).toMatch(/^autoload -U \+X bashcompinit && bashcompinit\n_tool\(\) \{\n/);
});

test('fish gets a line for each completion, with its description and escaped quotes', () => {
  const lines = completionScript(program(), 'fish', VALUES).split('\n');
  expect(lines).toContain(
    "complete -c tool -f -n 'not __fish_seen_subcommand_from run site drain completion' -a run -d 'run it, don\\'t ask'",
  );
  expect(lines).toContain(
    "complete -c tool -n '__fish_seen_subcommand_from run' -l kind -r -f -a 'real made' -d 'of what'",
  );
  expect(lines).toContain("complete -c tool -n '__fish_seen_subcommand_from run' -l once -d 'once'");
  const inDrain = "complete -c tool -n '__fish_seen_subcommand_from drain' -l";
  expect(lines).toContain(`${inDrain} to -r -f -a '(tool completion sites 2>/dev/null)' -d 'where'`);
  expect(lines).toContain(`${inDrain} policy -r -f -a '(__fish_append , mdp nearest never)' -d 'which'`);
});

test('the product completes policies, generators and benchmarks', () => {
  const script = completionScript(createProgram(), 'bash', completedValues());
  expect(script).toMatch(/'simulate --policy'\) values='tagalong nearest never .*optimum'; list=1; value=1/);
  expect(script).toMatch(/'simulate --generate'\) values='random-waypoint commuters/);
  expect(script).toMatch(/'bench'\) offers='engine simulation bus /);
  expect(script).toMatch(/'migrate --to'\) values=''; ask=sites; value=1/);
  expect(script).toMatch(/'explain'\) offers='.*'; ask=vms ;;/);
});
