import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ProbeCommandOptions } from '../run/run-probe.ts';

/** `tagalong probe`: measures a VM's gaps from its client's side. */
export function addProbe(program: Command): void {
  program
    .command('probe')
    .description('hold one connection to an echo service, and report every gap in it')
    .requiredOption('--to <host:port>', 'the echo service', addressOption)
    .option('--interval-ms <ms>', 'time between two messages', positiveOption, 5)
    .option('--gap-ms <ms>', 'report gaps of at least this length', positiveOption, 50)
    .option('--load-bps <bytes>', 'additional bytes a second in each direction, in the same stream', countOption, 0)
    .option('--duration-s <s>', 'end by itself after this time', positiveOption)
    .addOption(new Option('--mptcp', 'connect over MPTCP, by mptcpize').conflicts('tcp'))
    .option('--tcp', 'connect over plain TCP, as without --mptcp')
    .option('--reconnect', 'open a new connection after a lost one, instead of ending')
    .option('--report <url>', 'address of the running Tagalong that gets the gaps (with TAGALONG_TOKEN)')
    .option('--vm <name>', 'the VM that the gaps belong to')
    .option('--user <name>', 'the user who sees the gaps')
    .option('--json <file>', 'only - : print each event as it happens, a JSON object a line, and the report at the end')
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
