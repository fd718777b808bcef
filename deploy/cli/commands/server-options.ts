import type { Command } from 'commander';

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
    .option('--token <token>', 'its http.token (or TAGALONG_TOKEN)')
    .option('--json', 'print JSON');
}
