import { type Command, Option } from 'commander';
import { TagalongError } from '#shared/errors.ts';

/** The address to ask, unless the user names another: TAGALONG_URL, or the usual port of this host. */
export const usualUrl = () => process.env.TAGALONG_URL || 'http://127.0.0.1:8080';

/** Adds the options of the commands that ask running processes (`ServerOptions`). TAGALONG_URL and TAGALONG_TOKEN stand in for them. */
export function withServerOptions(command: Command): Command {
  return command
    .option(
      '--url <url>',
      'the running process, or those that the services run in, with commas between (or TAGALONG_URL)',
      usualUrl(),
    )
    .option('--token-file <file>', 'a file with a token for it (or TAGALONG_TOKEN with the token itself)')
    .addOption(new Option('--token <token>').hideHelp().argParser(refuseToken))
    .option('--json', 'print JSON');
}

/** Every user of a host can read the command lines of all its processes. */
function refuseToken(): never {
  // Commander's own error would repeat the token.
  throw new TagalongError(
    'USAGE',
    '--token: other users of this host can read the command line; set TAGALONG_TOKEN, or name a file with --token-file',
  );
}
