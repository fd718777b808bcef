/** The commands by which an operator overrules the policy. */
import type { Command } from 'commander';
import type { PlacementStatus } from '#services/placement/status.ts';
import { counted } from '#shared/format.ts';
import { ask, askEach, type ServerOptions, withServerOptions } from './client.ts';

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
    .option('--off', 'let them come again')
    .option('--force', 'also where no other site could take its VMs');
  withServerOptions(command).action(async (site: string, options: DrainOptions) => {
    const draining = options.off !== true;
    const body = { draining, ...(options.force && { force: true }) };
    const answer = await ask<object>(options, 'POST', `/v1/sites/${encodeURIComponent(site)}/drain`, body);
    if (!draining) return print(options, answer, `${site}: VMs may come again.`);
    const vms = await vmsAt(site, options);
    const who = vms === undefined ? 'its VMs are' : `${counted(vms, 'VM')} ${vms === 1 ? 'is' : 'are'}`;
    print(options, { ...answer, ...(vms !== undefined && { vms }) }, `${site}: ${who} to leave.`);
  });
}

interface DrainOptions extends ServerOptions {
  readonly off?: true;
  readonly force?: true;
}

/** How many VMs are at home at a site; undefined where no placement is asked that knows. */
async function vmsAt(site: string, options: ServerOptions): Promise<number | undefined> {
  try {
    const placements = await askEach<PlacementStatus>(options, '/v1/status');
    if (placements.answers.length === 0) return undefined;
    const vms = placements.answers.flatMap((placement) => placement.vms).filter(({ home }) => home === site);
    return new Set(vms.map(({ vm }) => vm)).size;
  } catch {
    // The drain is ordered; a figure that cannot be had is left out.
    return undefined;
  }
}

/** `tagalong cancel MIGRATION`. */
export function addCancel(program: Command): void {
  const command = program
    .command('cancel')
    .description('take back a move that has not switched over')
    .argument('<migration>', 'its name, as status shows it, or that of its VM');
  withServerOptions(command).action(async (name: string, options: ServerOptions) => {
    const path = `/v1/migrations/${encodeURIComponent(name)}`;
    const answer = await ask<{ readonly migration: string }>(options, 'DELETE', path);
    print(options, answer, `${answer.migration}: is taken back.`);
  });
}

function print({ json }: ServerOptions, answer: unknown, sentence: string): void {
  process.stdout.write(`${json ? JSON.stringify(answer) : sentence}\n`);
}
