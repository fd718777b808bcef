/** The actions of an operator. Each asks for a confirmation first, which names the consequences. */
import { counted, digits, duration } from '#shared/format.ts';
import { type Explained, refusalWords } from '#shared/policy/decide/words.ts';
import { ask, Refused } from './api.ts';
import { confirmed } from './confirm.ts';
import type { World } from './world.ts';

/** Carries out an action. Resolves with the result in words; undefined: the operator did not confirm. @throws Refused */
export type Action = () => Promise<string | undefined>;

/** Moves a VM. @param explained what is known of the sites */
export async function migrate({ vm, home, ...explained }: Explained, to: string): Promise<string | undefined> {
  const consequences = [`${vm} leaves ${home} for ${to}, whatever the policy makes of it.`, worthOf(explained, to)];
  if (!(await confirmed({ title: `Move ${vm} to ${to}?`, consequences, yes: 'Move it' }))) return undefined;
  await ask('POST', `/v1/vms/${encodeURIComponent(vm)}/moves`, { to });
  return `${vm}: its move to ${to} is ordered.`;
}

/** What a site would be worth to a VM, as far as that is known. */
function worthOf({ candidates, homeServingUserMsPerS }: Omit<Explained, 'vm' | 'home'>, to: string): string {
  const candidate = candidates.find(({ site }) => site === to);
  if (candidate === undefined) return `${to} is not one of the sites near its users; its worth was not computed.`;
  const gain = homeServingUserMsPerS - candidate.servingUserMsPerS;
  const unit = 'user-milliseconds a second';
  if (gain <= 0)
    return `Its users would be served ${gain < 0 ? `worse by ${digits(-gain)} ${unit}` : 'as well as now'}.`;
  const { prediction, rejected } = candidate;
  const words = [`Its users would be served better by ${digits(gain)} ${unit}.`];
  if (prediction !== undefined) {
    const { durationMs, interruptionMs } = prediction;
    words.push(`The move takes about ${duration(durationMs)}, and clients wait about ${duration(interruptionMs)}.`);
  }
  if (rejected !== undefined) words.push(`The policy does not choose ${to}: ${refusalWords(rejected)}.`);
  return words.join(' ');
}

/** Empties a site, or lets VMs come again. */
export async function drain(world: World, site: string): Promise<string | undefined> {
  const path = `/v1/sites/${encodeURIComponent(site)}/drain`;
  if (world.sites.get(site)?.draining) {
    await ask('POST', path, { draining: false });
    return `${site}: VMs may come again.`;
  }
  const vms = counted(world.vmsAt(site).size, 'VM');
  const consequences = [
    `${vms} will leave ${site}, each for the site that serves it best and has room, as many at a time as the limits allow.`,
    'No VM comes until you let VMs come again.',
  ];
  if (!(await confirmed({ title: `Drain ${site}?`, consequences, yes: `Drain ${site}` }))) return undefined;
  try {
    await ask('POST', path, { draining: true });
  } catch (error) {
    if (!(error instanceof Refused) || error.code !== 'LAST_OPEN_SITE') throw error;
    const nowhere = [error.message, `${vms} will wait at ${site} until another site can take them.`];
    if (
      !(await confirmed({ title: `${site} is the last open site`, consequences: nowhere, yes: 'Drain all the same' }))
    ) {
      return undefined;
    }
    await ask('POST', path, { draining: true, force: true });
  }
  return `${site}: ${vms} will leave.`;
}

/** Pauses automatic moves, or lets them go on. */
export async function pause(world: World): Promise<string | undefined> {
  if (world.paused) {
    await ask('PUT', '/v1/automation', { paused: false });
    return 'VMs follow their users again.';
  }
  const consequences = [
    'No VM follows its users until you resume. Moves under way go on.',
    'VMs still leave sites that drain or fall silent, and your own orders are followed.',
  ];
  if (!(await confirmed({ title: 'Pause automatic moves?', consequences, yes: 'Pause' }))) return undefined;
  await ask('PUT', '/v1/automation', { paused: true });
  return 'Automatic moves are paused.';
}

/** Takes a move back. It undoes, so that it asks nothing. */
export async function cancel(migration: string): Promise<string> {
  await ask('DELETE', `/v1/migrations/${encodeURIComponent(migration)}`);
  return `Asked to cancel ${migration}.`;
}
