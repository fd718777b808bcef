/** Scripts for shell completion, made from the definitions of the commands. */
import type { Command } from 'commander';

/** The completions that a shell offers at one place of the command line. */
interface Place {
  /** The commands before it, without the program: `[]`, `['site']`, `['site', 'list']`. */
  readonly path: readonly string[];
  readonly offers: readonly Offer[];
  /** Long options that take a value: after such an option, a shell offers the choices or files. */
  readonly valued: readonly Valued[];
}
interface Offer {
  readonly text: string;
  readonly description: string;
}
interface Valued {
  readonly option: string;
  /** The choices; empty if any value is allowed. */
  readonly choices: readonly string[];
}

/**
 * The script for a shell to source. It starts no process when it completes.
 * @param program the whole command line
 */
export function completionScript(program: Command, shell: 'bash' | 'zsh' | 'fish'): string {
  const places = placesOf(program, []);
  if (shell === 'fish') return fishScript(program.name(), places);
  const bash = bashScript(program.name(), places);
  // Zsh runs completions of bash in its emulation of bash.
  return shell === 'bash' ? bash : `autoload -U +X bashcompinit && bashcompinit\n${bash}`;
}

function placesOf(command: Command, path: readonly string[]): Place[] {
  const help = command.createHelp();
  const commands = help.visibleCommands(command);
  const options = help.visibleOptions(command).filter(({ long }) => long !== undefined);
  const offers = [
    ...commands.map((one) => ({ text: one.name(), description: one.description() })),
    ...command.registeredArguments.flatMap(({ argChoices = [] }) =>
      argChoices.map((text) => ({ text, description: '' })),
    ),
    ...options.map(({ long, description }) => ({ text: long!, description })),
  ];
  const valued = options
    .filter(({ required, optional }) => required || optional)
    .map(({ long, argChoices = [] }) => ({ option: long!, choices: argChoices }));
  const below = command.commands.flatMap((one) => placesOf(one, [...path, one.name()]));
  return [{ path, offers, valued }, ...below];
}

function isCommand(text: string): boolean {
  return !text.startsWith('-');
}

function bashScript(name: string, places: readonly Place[]): string {
  const commands = places.map(({ path, offers }) => {
    const words = offers.map(({ text }) => text).join(' ');
    return `    '${path.join(' ')}') offers='${words}' ;;`;
  });
  const values = places.flatMap(({ path, valued }) =>
    valued.map(
      ({ option, choices }) => `    '${[...path, option].join(' ')}') values='${choices.join(' ')}'; files=1 ;;`,
    ),
  );
  const known = places.map(({ path }) => `'${path.join(' ')}'`).join('|');
  return `_${name}() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} path='' next='' offers='' values='' files='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="\${path:+$path }\${COMP_WORDS[i]}"
    case "$next" in ${known}) path=$next ;; esac
  done
  case "\${path:+$path }$before" in
${values.join('\n')}
  esac
  if [[ -n $files && -z $values ]]; then
    local IFS=$'\\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -f -- "$word"))
    return
  fi
  case "$path" in
${commands.join('\n')}
  esac
  COMPREPLY=($(compgen -W "\${values:-$offers}" -- "$word"))
}
complete -F _${name} ${name}
`;
}

function fishScript(name: string, places: readonly Place[]): string {
  const lines = places.flatMap(({ path, offers, valued }) => {
    // Matches a command if its words are on the line, and none of its subcommands.
    const below = offers.map(({ text }) => text).filter(isCommand);
    const typed = path.map((word) => `__fish_seen_subcommand_from ${word}`);
    const where = [...typed, ...(below.length === 0 ? [] : [`not __fish_seen_subcommand_from ${below.join(' ')}`])];
    const condition = where.length === 0 ? '' : ` -n ${quoted(where.join('; and '))}`;
    return offers.map(({ text, description }) => {
      const about = description === '' ? '' : ` -d ${quoted(description)}`;
      if (isCommand(text)) return `complete -c ${name} -f${condition} -a ${text}${about}`;
      const value = valued.find(({ option }) => option === text);
      const choices =
        value === undefined || value.choices.length === 0 ? '' : ` -f -a ${quoted(value.choices.join(' '))}`;
      return `complete -c ${name}${condition} -l ${text.slice(2)}${value === undefined ? '' : ' -r'}${choices}${about}`;
    });
  });
  return `${lines.join('\n')}\n`;
}

function quoted(text: string): string {
  return `'${text.replaceAll(/['\\]/g, '\\$&')}'`;
}
