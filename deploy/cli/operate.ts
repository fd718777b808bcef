/** The commands by which an operator overrules the policy. */
import type { Command } from 'commander';
import { ask, type ServerOptions, withServerOptions } from './client.ts';

/** `tagalong migrate VM --to SITE`. */
export function addMigrate(program: Command): void {
  const command = program
    .command('migrate')
    .description('move a VM, past the policy but not past the limits')
    .argument('<vm>')
    .requiredOption('--to <site>', 'where to');
  withServerOptions(command).action(async (vm: string, options: ServerOptions & { readonly to: string }) => {
    const answer = await ask(options, 'POST', `/v1/vms/${encodeURIComponent(vm)}/moves`, { to: options.to });
    print(options, answer, `${vm}: its move to ${options.to} is ordered.`);
  });
}

/** `tagalong drain SITE`. */
export function addDrain(program: Command): void {
  const command = program
    .command('drain')
    .description('let all VMs leave a site, and none come')
    .argument('<site>')
    .option('--off', 'let them come again');
  withServerOptions(command).action(async (site: string, options: ServerOptions & { readonly off?: true }) => {
    const draining = options.off !== true;
    const answer = await ask(options, 'POST', `/v1/sites/${encodeURIComponent(site)}/drain`, { draining });
    print(options, answer, draining ? `${site}: its VMs are to leave.` : `${site}: VMs may come again.`);
  });
}

/** `tagalong cancel MIGRATION`. */
export function addCancel(program: Command): void {
  const command = program
    .command('cancel')
    .description('take back a move that has not switched over')
    .argument('<migration>', 'its name, as status shows it');
  withServerOptions(command).action(async (migration: string, options: ServerOptions) => {
    const answer = await ask(options, 'DELETE', `/v1/migrations/${encodeURIComponent(migration)}`);
    print(options, answer, `${migration}: is taken back.`);
  });
}

function print({ json }: ServerOptions, answer: unknown, sentence: string): void {
  process.stdout.write(`${json ? JSON.stringify(answer) : sentence}\n`);
}
