import type { Command } from 'commander';
import type { DoctorOptions } from '../run/run-doctor.ts';

/** `tagalong doctor`: checks whether this host can run the agent of a site. */
export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('check that this host has what an agent needs, and print how to mend it')
    .option('--config <file>', 'the settings of the agent, to check everything that they name as well')
    .option('--json', 'print JSON')
    .action(async (options: DoctorOptions) => {
      const { runDoctor } = await import('../run/run-doctor.ts');
      await runDoctor(options);
    });
}
