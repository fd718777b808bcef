import type { Command } from 'commander';
import type { AuditOptions } from '../run/run-audit.ts';
import { spanOption } from './options.ts';
import { withServerOptions } from './server-options.ts';

/** `tagalong audit`: who ordered what, and which requests were refused. */
export function addAudit(program: Command): void {
  const command = program
    .command('audit')
    .description('show who ordered what, and which requests were refused (admins only)')
    .option('--since <time>', 'how far back: 30d, 12h or 15m', spanOption, 86_400_000)
    .option('--who <name>', 'only those of this token or person')
    .option('--on <name>', 'only those about this VM, site, migration or token');
  withServerOptions(command).action(async (options: AuditOptions) => {
    const { runAudit } = await import('../run/run-audit.ts');
    await runAudit(options);
  });
}
