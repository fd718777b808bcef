import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ProbeCommandOptions } from '../run/run-probe.ts';

/** `tagalong probe`: what a client of a VM sees. */
export function addProbe(program: Command): void {
  program
    .command('probe')
    .description('hold one connection to an echo service, and tell every gap in it')
    .requiredOption('--to <host:port>', 'the echo service', addressOption)
    .option('--interval-ms <ms>', 'between two messages', positiveOption, 5)
    .option('--gap-ms <ms>', 'tell gaps from this length on', positiveOption, 50)
    .option('--load-bps <bytes>', 'bytes a second that flow each way besides, in the same stream', countOption, 0)
    .option('--duration-s <s>', 'end by itself after this time', positiveOption)
    .addOption(new Option('--mptcp', 'over MPTCP, by mptcpize').conflicts('tcp'))
    .option('--tcp', 'over plain TCP, as without --mptcp')
    .option('--reconnect', 'make a lost connection anew, instead of ending with it')
    .option('--report <url>', 'the running Tagalong that is to know of the gaps (with TAGALONG_TOKEN)')
    .option('--vm <name>', 'whose gaps they are')
    .option('--user <name>', 'who sees them')
    .option('--json <file>', 'only - : print what happens as it happens, a JSON object a line, at last the report')
    .action(async (options: ProbeCommandOptions) => {
      const { runProbe } = await import('../run/run-probe.ts');
      await runProbe(options);
    });
}

/** Address to connect to: `HOST:PORT`, `[IPv6]:PORT`. */
function addressOption(text: string): { readonly host: string; readonly port: number } {
  const [, bracketed, bare, digits] = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port < 1 || port > 65_535) throw new InvalidArgumentError('Give HOST:PORT.');
  return { host: (bracketed ?? bare)!, port };
}

function positiveOption(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError('Give a number above 0.');
  }
  return value;
}

function countOption(text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new InvalidArgumentError('Give a whole number.');
  return Number(text);
}
