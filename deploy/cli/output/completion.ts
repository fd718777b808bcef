/** Scripts for shell completion, made from the definitions of the commands. */
import type { Command } from 'commander';

/** The completions that a shell offers at one place of the command line. */
interface Place {
  /** The commands before it, without the program: `[]`, `['site']`, `['site', 'list']`. */
  readonly path: readonly string[];
  readonly offers: readonly Offer[];
  /** Long options that take a value: after such an option, a shell offers the values or files. */
  readonly valued: readonly Valued[];
  /** The names of an argument, which the running processes know. */
  readonly ask?: 'sites' | 'vms';
}
interface Offer {
  readonly text: string;
  readonly description: string;
}
interface Valued {
  readonly option: string;
  /** The source of its values; empty if any value is allowed. */
  readonly from: Source;
}

/** The source of the values of an option or an argument. */
interface Source {
  readonly words?: readonly string[];
  /** The values come from the running processes: the script calls `tagalong completion sites`. */
  readonly ask?: 'sites' | 'vms';
  /** True: the user may type several values with commas between. */
  readonly isList?: boolean;
}

/** Sources of values, by the name that a value has in the help: `site` for `<site>`. */
export type Values = Readonly<Record<string, Source>>;

/**
 * The script for a shell to source. Only the names of sites and VMs make it start a process when it completes.
 * @param program the whole command line
 */
export function completionScript(program: Command, shell: 'bash' | 'zsh' | 'fish', values: Values = {}): string {
  const places = placesOf(program, [], values);
  if (shell === 'fish') return fishScript(program.name(), places);
  const bash = bashScript(program.name(), places);
  // Zsh runs completions of bash in its emulation of bash.
  return shell === 'bash' ? bash : `autoload -U +X bashcompinit && bashcompinit\n${bash}`;
}

function placesOf(command: Command, path: readonly string[], values: Values): Place[] {
  const help = command.createHelp();
  const commands = help.visibleCommands(command);
  const options = help.visibleOptions(command).filter(({ long }) => long !== undefined);
  const sources = command.registeredArguments.map((argument) => {
    const { argChoices: words = values[argument.name()]?.words } = argument;
    return { ...values[argument.name()], ...(words && { words }) };
  });
  const offers = [
    ...commands.map((one) => ({ text: one.name(), description: one.description() })),
    ...sources.flatMap(({ words = [] }) => words.map((text) => ({ text, description: '' }))),
    ...options.map(({ long, description }) => ({ text: long!, description })),
  ];
  const valued = options
    .filter(({ required, optional }) => required || optional)
    .map(({ long, flags, argChoices: words }) => ({
      option: long!,
      from: words ? { words } : (values[/[<[]([\w-]+)/.exec(flags)?.[1] ?? ''] ?? {}),
    }));
  const ask = sources.find((source) => source.ask !== undefined)?.ask;
  const below = command.commands.flatMap((one) => placesOf(one, [...path, one.name()], values));
  return [{ path, offers, valued, ...(ask && { ask }) }, ...below];
}

function isCommand(text: string): boolean {
  return !text.startsWith('-');
}

function bashScript(name: string, places: readonly Place[]): string {
  const commands = places.map(({ path, offers, ask }) => {
    const words = offers.map(({ text }) => text).join(' ');
    return `    '${path.join(' ')}') offers='${words}'${ask === undefined ? '' : `; ask=${ask}`} ;;`;
  });
  const values = places.flatMap(({ path, valued }) =>
    valued.map(({ option, from: { words = [], ask, isList } }) => {
      const set = [`values='${words.join(' ')}'`, ...(ask ? [`ask=${ask}`] : []), ...(isList ? ['list=1'] : [])];
      return `    '${[...path, option].join(' ')}') ${set.join('; ')}; value=1 ;;`;
    }),
  );
  const known = places.map(({ path }) => `'${path.join(' ')}'`).join('|');
  return `_${name}() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} path='' next='' i
  local offers='' values='' value='' ask='' list='' prefix=''
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="\${path:+$path }\${COMP_WORDS[i]}"
    case "$next" in ${known}) path=$next ;; esac
  done
  case "\${path:+$path }$before" in
${values.join('\n')}
  esac
  if [[ -n $value && -z $values$ask ]]; then
    local IFS=$'\\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -f -- "$word"))
    return
  fi
  if [[ -z $value ]]; then
    case "$path" in
${commands.map((line) => `  ${line}`).join('\n')}
    esac
    values=$offers
  fi
  if [[ -n $ask && $word != -* ]]; then values+=" $(${name} completion $ask 2>/dev/null)"; fi
  if [[ -n $list && $word == *,* ]]; then prefix=\${word%,*},; fi
  COMPREPLY=($(compgen -P "$prefix" -W "$values" -- "\${word##*,}"))
}
complete -F _${name} ${name}
`;
}

function fishScript(name: string, places: readonly Place[]): string {
  const lines = places.flatMap((place) => {
    const condition = fishCondition(place);
    const asked = place.ask && `complete -c ${name} -f${condition} -a ${quoted(asking(name, place.ask))}`;
    const offered = place.offers.map(({ text, description }) => {
      const about = description === '' ? '' : ` -d ${quoted(description)}`;
      if (isCommand(text)) return `complete -c ${name} -f${condition} -a ${text}${about}`;
      const value = place.valued.find(({ option }) => option === text);
      const option = `complete -c ${name}${condition} -l ${text.slice(2)}${value === undefined ? '' : ' -r'}`;
      return `${option}${value === undefined ? '' : fishValues(name, value.from)}${about}`;
    });
    return asked === undefined ? offered : [...offered, asked];
  });
  return `${lines.join('\n')}\n`;
}

/** True if the words of a command are on the line, and none of its subcommands. */
function fishCondition({ path, offers }: Place): string {
  const below = offers.map(({ text }) => text).filter(isCommand);
  const typed = path.map((word) => `__fish_seen_subcommand_from ${word}`);
  const where = [...typed, ...(below.length === 0 ? [] : [`not __fish_seen_subcommand_from ${below.join(' ')}`])];
  return where.length === 0 ? '' : ` -n ${quoted(where.join('; and '))}`;
}

function fishValues(name: string, { words = [], ask, isList }: Source): string {
  if (ask !== undefined) return ` -f -a ${quoted(asking(name, ask))}`;
  if (words.length === 0) return '';
  return ` -f -a ${quoted(isList ? `(__fish_append , ${words.join(' ')})` : words.join(' '))}`;
}

function asking(name: string, ask: string): string {
  return `(${name} completion ${ask} 2>/dev/null)`;
}

function quoted(text: string): string {
  return `'${text.replaceAll(/['\\]/g, '\\$&')}'`;
}
