/** Carries out the commands with which an operator overrules the policy. */
import type { PlacementStatus } from '#services/placement/status.ts';
import { counted } from '#shared/format.ts';
import { ask, askEach, type ServerOptions } from './client.ts';
import { confirmed } from './confirm.ts';

/** The options of `tagalong migrate`. */
export interface MigrateOptions extends ServerOptions {
  readonly to: string;
}

/** Orders the move of a VM. @throws TagalongError the errors of `ask` */
export async function runMigrate(vm: string, options: MigrateOptions): Promise<void> {
  const answer = await ask(options, 'POST', `/v1/vms/${encodeURIComponent(vm)}/moves`, { to: options.to });
  print(options, answer, `${vm}: its move to ${options.to} is ordered.`);
}

/** The options of `tagalong drain`. */
export interface DrainOptions extends ServerOptions {
  readonly off?: true;
  readonly force?: true;
  readonly yes?: true;
}

/** Drains a site, or with `--off` ends the drain. @throws TagalongError the errors of `ask` */
export async function runDrain(site: string, options: DrainOptions): Promise<void> {
  const draining = options.off !== true;
  const body = { draining, ...(options.force && { force: true }) };
  const path = `/v1/sites/${encodeURIComponent(site)}/drain`;
  const answer = await confirmed(site, options, (confirm) =>
    ask<object>(options, 'POST', path, { ...body, ...(confirm !== undefined && { confirm }) }),
  );
  if (!draining) return print(options, answer, `${site}: VMs may move there again.`);
  const vms = await vmsAt(site, options);
  const who = vms === undefined ? 'its VMs are' : `${counted(vms, 'VM')} ${vms === 1 ? 'is' : 'are'}`;
  const back = `"tagalong drain ${site} --off" lets VMs move there again.`;
  print(options, { ...answer, ...(vms !== undefined && { vms }) }, `${site}: ${who} to leave. ${back}`);
}

/** @returns the number of VMs whose home is the site; undefined if no placement answers */
async function vmsAt(site: string, options: ServerOptions): Promise<number | undefined> {
  try {
    const placements = await askEach<PlacementStatus>(options, '/v1/status');
    if (placements.answers.length === 0) return undefined;
    const vms = placements.answers.flatMap((placement) => placement.vms).filter(({ home }) => home === site);
    return new Set(vms.map(({ vm }) => vm)).size;
  } catch {
    // The server has accepted the drain already, so a missing figure is no failure.
    return undefined;
  }
}

/** Cancels a move. @param name of the migration or of its VM @throws TagalongError the errors of `ask` */
export async function runCancel(name: string, options: ServerOptions): Promise<void> {
  const path = `/v1/migrations/${encodeURIComponent(name)}`;
  const answer = await ask<{ readonly migration: string }>(options, 'DELETE', path);
  print(options, answer, `Asked to cancel ${answer.migration}; "tagalong status" shows the move until it has ended.`);
}

function print({ json }: ServerOptions, answer: unknown, sentence: string): void {
  process.stdout.write(`${json ? JSON.stringify(answer) : sentence}\n`);
}
