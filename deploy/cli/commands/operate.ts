/** The commands by which an operator overrules the policy. */
import type { Command } from 'commander';
import type { ServerOptions } from '../run/client.ts';
import type { DrainOptions, MigrateOptions } from '../run/run-operate.ts';
import { withServerOptions } from './server-options.ts';

/** `tagalong migrate VM --to SITE`. */
export function addMigrate(program: Command): void {
  const command = program
    .command('migrate')
    .description('move a VM now: the policy is not asked, the limits still hold')
    .argument('<vm>')
    .requiredOption('--to <site>', 'the site to move it to');
  withServerOptions(command).action(async (vm: string, options: MigrateOptions) => {
    const { runMigrate } = await import('../run/run-operate.ts');
    await runMigrate(vm, options);
  });
}

/** `tagalong drain SITE`. */
export function addDrain(program: Command): void {
  const command = program
    .command('drain')
    .description('move all VMs away from a site and let no VM come; --off ends it')
    .argument('<site>')
    .option('--off', 'end the drain: let VMs come to the site again')
    .option('--force', 'even if no other site could take its VMs')
    .option('--yes', 'confirm it: do not ask')
    .addHelpText(
      'after',
      '\n"tagalong drain SITE --off" is the way back; "tagalong site list" shows which sites drain.',
    );
  withServerOptions(command).action(async (site: string, options: DrainOptions) => {
    const { runDrain } = await import('../run/run-operate.ts');
    await runDrain(site, options);
  });
}

/** `tagalong cancel MIGRATION`. */
export function addCancel(program: Command): void {
  const command = program
    .command('cancel')
    .description('undo a move that has not switched over')
    .argument('<migration>', 'its name, as status shows it, or that of its VM');
  withServerOptions(command).action(async (name: string, options: ServerOptions) => {
    const { runCancel } = await import('../run/run-operate.ts');
    await runCancel(name, options);
  });
}
