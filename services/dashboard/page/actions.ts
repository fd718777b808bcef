/** The actions of an operator. Each action but a cancellation first asks for a confirmation, which names the consequences. */
import { counted, digits, duration } from '#shared/format.ts';
import { type Explained, refusalWords } from '#shared/policy/decide/words.ts';
import { ask, Refused } from './api.ts';
import { confirmed } from './confirm.ts';
import type { World } from './world.ts';

/** Carries out an action. Resolves with the result in words; undefined if the operator did not confirm. @throws Refused */
export type Action = () => Promise<string | undefined>;

/** Moves a VM. @param explained the explanation of the VM, with its candidates */
export async function migrate({ vm, home, ...explained }: Explained, to: string): Promise<string | undefined> {
  const consequences = [
    `${vm} leaves ${home} for ${to}, even if the policy would not move it.`,
    worthOf(explained, to),
  ];
  if (!(await confirmed({ title: `Move ${vm} to ${to}?`, consequences, yes: 'Move it' }))) return undefined;
  await ask('POST', `/v1/vms/${encodeURIComponent(vm)}/moves`, { to });
  return `The move of ${vm} to ${to} is ordered.`;
}

/** Describes how much better or worse a site serves the users of a VM, and what the policy says about it. */
function worthOf({ candidates, homeServingUserMsPerS }: Omit<Explained, 'vm' | 'home'>, to: string): string {
  const candidate = candidates.find(({ site }) => site === to);
  if (candidate === undefined) return `${to} is not near its users, so the benefit of the move was not computed.`;
  const gain = homeServingUserMsPerS - candidate.servingUserMsPerS;
  const unit = 'user-milliseconds a second';
  if (gain === 0) return `${to} serves its users as well as its present site.`;
  if (gain < 0) return `${to} serves its users worse by ${digits(-gain)} ${unit}.`;
  const { prediction, rejected } = candidate;
  const words = [`${to} serves its users better by ${digits(gain)} ${unit}.`];
  if (prediction !== undefined) {
    const { durationMs, interruptionMs } = prediction;
    words.push(`The move takes about ${duration(durationMs)}, and interrupts clients for ${duration(interruptionMs)}.`);
  }
  if (rejected !== undefined) words.push(`The policy does not choose ${to}: ${refusalWords(rejected)}.`);
  return words.join(' ');
}

/** Drains a site, or ends its draining. */
export async function drain(world: World, site: string): Promise<string | undefined> {
  const path = `/v1/sites/${encodeURIComponent(site)}/drain`;
  if (world.sites.get(site)?.draining) {
    await ask('POST', path, { draining: false });
    return `${site} accepts VMs again.`;
  }
  const vms = counted(world.vmsAt(site).size, 'VM');
  const consequences = [
    `${vms} will leave ${site}. Each moves to the best site that has room, as many at a time as the limits allow.`,
    `${site} accepts no VM until you end the draining.`,
  ];
  if (!(await confirmed({ title: `Drain ${site}?`, consequences, yes: `Drain ${site}` }))) return undefined;
  try {
    await ask('POST', path, { draining: true, confirm: site });
  } catch (error) {
    if (!(error instanceof Refused) || error.code !== 'LAST_OPEN_SITE') throw error;
    const waiting = [error.message, `${vms} will stay at ${site} until another site accepts them.`];
    if (!(await confirmed({ title: `${site} is the last open site`, consequences: waiting, yes: 'Drain anyway' }))) {
      return undefined;
    }
    await ask('POST', path, { draining: true, force: true, confirm: site });
  }
  return `${site} is draining: ${vms} will leave.`;
}

/** Pauses or resumes automatic moves. */
export async function pause(world: World): Promise<string | undefined> {
  if (world.paused) {
    await ask('PUT', '/v1/automation', { paused: false });
    return 'Automatic moves are resumed: VMs follow their users again.';
  }
  const consequences = [
    'No VM follows its users until you resume automatic moves. Moves under way continue.',
    'VMs still leave sites that are draining or silent, and your own orders are still carried out.',
  ];
  if (!(await confirmed({ title: 'Pause automatic moves?', consequences, yes: 'Pause' }))) return undefined;
  await ask('PUT', '/v1/automation', { paused: true });
  return 'Automatic moves are paused.';
}

/** Cancels a move. It asks for no confirmation, because a cancellation only undoes. */
export async function cancel(migration: string): Promise<string> {
  await ask('DELETE', `/v1/migrations/${encodeURIComponent(migration)}`);
  return `The cancellation of ${migration} is requested.`;
}
