/** Explains why a VM stays or moves, in one sentence for readers who do not know the policy's terms. */
import type { Affinity, Candidate, Explanation } from '../../events/index.ts';
import { counted, digits, duration, instant } from '../../format.ts';
import type { FilterName } from '../evaluate/filters.ts';
import type { LastMove } from '../state/state.ts';

/** The answer to `GET /v1/vms/:vm/explanation`. */
export type Explained = Explanation & {
  readonly vm: string;
  readonly home: string;
  readonly lastMove?: LastMove;
  /** Who ordered the move under way. */
  readonly orderedBy?: string;
  /** The declared restrictions of its sites; absent: none. */
  readonly affinity?: Affinity;
};

/** The words for a refusal, and for what ends it, by filter. */
const REFUSALS: Readonly<Record<FilterName, readonly [why: string, until: string]>> = {
  'not-allowed': ['the VM is not allowed to run there', 'its declaration allows the site; waiting does not help'],
  draining: ['it is draining', 'an operator ends the drain (tagalong drain SITE --off)'],
  silent: ['it has sent no heartbeat for too long', 'it sends heartbeats again'],
  full: ['it is full', 'a VM leaves it'],
  'no-path': ['no network path leads there', 'both sites have an uplink of the same provider; waiting does not help'],
  'just-left': ['the VM left it only minutes ago', 'policy.returnPauseMs has passed'],
  'move-budget-spent': [
    'the VM has moved as often as allowed in the last hour',
    'the first of these moves is an hour old',
  ],
  'source-busy': ['the home already has as many moves as allowed', 'one of these moves ends'],
  'destination-busy': ['it already has as many moves as allowed', 'one of these moves ends'],
  'path-busy': ['other moves use the paths to it, and this one waits for its turn', 'one of these moves ends'],
  'not-converging': ['the VM writes to its memory faster than the paths there can copy it', 'the VM writes less'],
  'kept-apart': ['a VM from which this one is kept apart is there, or on its way', 'that VM has left it'],
  'follows-lead': ['the VM goes where the lead of its group goes', 'the lead goes there'],
  'group-moving': ['a VM of its group is still on its way, or has only just arrived', 'all of them have arrived'],
  'group-not-allowed': [
    'a VM of its group may not run there',
    'the declarations of its group allow it, and no VM from which one of them is kept apart is there',
  ],
  'group-full': ['it has no room for the whole group', 'enough VMs leave it'],
  'group-not-converging': [
    'a VM of its group writes to its memory faster than the paths there can copy it',
    'that VM writes less',
  ],
  'automation-paused': [
    'an operator has paused automatic moves',
    'an operator resumes them, on the dashboard or by PUT /v1/automation',
  ],
};

/** The words for the reason of an idle VM. */
const UNPOPULATED: Readonly<Record<string, string>> = {
  'nobody-attached': 'nobody is attached to it',
  'no-position': 'none of its users has reported a position yet',
  'users-left': 'all of its users have left',
  'users-silent': 'none of its users has reported a position for too long',
};

/** The words for why a VM must leave its home, by reason. */
const LEAVES: Readonly<Record<string, string>> = {
  'home-draining': 'which is draining',
  'home-silent': 'which is silent',
  'home-not-allowed': 'where it is not allowed to run',
  'home-shared': 'where a VM runs that it is kept apart from',
};

/** The words for a filter that refuses a site. @param filter its name, as in `rejected` of a candidate */
export function refusalWords(filter: string): string {
  return Object.hasOwn(REFUSALS, filter) ? REFUSALS[filter as FilterName][0] : `"${filter}" refuses it`;
}

/** The end of a refusal, as a clause after "when"; undefined for a filter of another version. */
export function refusalEnd(filter: string): string | undefined {
  return Object.hasOwn(REFUSALS, filter) ? REFUSALS[filter as FilterName][1] : undefined;
}

/** The explanation as one sentence. @param movingTo the destination of the VM's move under way; undefined if it is unknown */
export function inPlainWords(explained: Explained, movingTo: string | undefined): string {
  const { vm, home, state, reason, sessions, orderedBy } = explained;
  const best = betterThanHome(explained);
  if (reason === 'home-unknown') {
    return `${vm} is stranded at ${home}: there is no site of that name. Declare the site again, or retire the VM.`;
  }
  switch (state) {
    case 'idle':
      return `${vm} stays at ${home}: ${Object.hasOwn(UNPOPULATED, reason) ? UNPOPULATED[reason] : 'it has no active user'}${left(explained)}.`;
    case 'moving':
      return movingTo === undefined
        ? `${vm} is about to leave ${home}: its move is ordered.`
        : `${vm} is moving from ${home} to ${movingTo}${orderedBy === undefined ? '' : `, as ${orderedBy} ordered`}.`;
    case 'cooling':
      return `${vm} stays at ${home}: its last move has only just ended${ending(explained)}. It can move again when policy.coolingMs has passed.`;
    case 'backing-off':
      return `${vm} stays at ${home}: its last move failed${ending(explained)}. The next attempt follows when policy.backOffMs has passed, and later after each further failure.`;
    case 'evacuating':
      return `${vm} must leave ${home}, ${Object.hasOwn(LEAVES, reason) ? LEAVES[reason] : 'which is draining or silent'}. It leaves as soon as a site can accept it.`;
  }
  const following = followingWords(explained);
  if (following !== undefined) return following;
  if (best === undefined) return `${vm} stays at ${home}: no site serves its ${counted(sessions, 'user')} better.`;
  const better = `${best.site} would serve its ${counted(sessions, 'user')} better by ${gain(explained, best)} user-milliseconds a second`;
  if (reason === 'gain-too-small')
    return `${vm} stays at ${home}: ${better}, which is too little ever to be worth the move.`;
  if (best.rejected !== undefined) {
    const until = refusalEnd(best.rejected);
    const end = until === undefined ? '' : ` It can move there when ${until}.`;
    return `${vm} stays at ${home}: ${better}, but ${refusalWords(best.rejected)}.${end}`;
  }
  if (reason === 'users-quiet') {
    return `${vm} is still at ${home}: ${better}, but ${quiet(explained)}; it moves when a user reports a position.`;
  }
  if (state === 'drifting') {
    return `${vm} is still at ${home}: ${better}; it moves as soon as this has lasted long enough to be worth the move.`;
  }
  return `${vm} stays at ${home}: ${better}, which is not worth the cost of the move.`;
}

/** The sentence about a VM that follows a lead; undefined: it follows none, or the lead is not known. */
function followingWords({ vm, home, reason, affinity }: Explained): string | undefined {
  const lead = affinity?.group?.lead;
  if (lead === undefined || lead === vm) return undefined;
  if (reason === 'with-lead') return `${vm} stays at ${home} with ${lead}, the lead of its group.`;
  if (reason === 'waits-for-group') {
    return `${vm} is still at ${home}: it follows ${lead} after the VMs of its group that come before it by name.`;
  }
  if (!reason.startsWith('with-lead-')) return undefined;
  const filter = reason.slice('with-lead-'.length);
  const why = filter === 'unknown' ? 'nobody speaks for the site of that VM' : refusalWords(filter);
  const until = refusalEnd(filter);
  const end = until === undefined ? '' : ` It can move there when ${until}.`;
  return `${vm} is still at ${home}: it is to follow ${lead}, but ${why}.${end}`;
}

/** The words for the reasons for which placement cancels a move. */
const CANCELLED: Readonly<Record<string, string>> = {
  'policy: overtaken': 'because its users turned back',
  'policy: not-accepted': 'because no migrator accepted it',
  'policy: kept-apart': 'because a VM that it is kept apart from goes there',
  'policy: lead-elsewhere': 'because the lead of its group stays or goes elsewhere',
  operator: 'by an operator',
};

/** The end of the last move, in words that follow "its last move has only just ended" or "its last move failed"; may be empty. */
function ending({ lastMove }: Explained): string {
  if (lastMove === undefined || lastMove.ended === 'completed') return '';
  const { to, ended, reason, cancelledBy } = lastMove;
  if (cancelledBy !== undefined) return `: the move to ${to} was cancelled by ${cancelledBy}`;
  if (ended === 'failed') return ` (to ${to}: ${reason})`;
  return `: the move to ${to} was cancelled ${Object.hasOwn(CANCELLED, reason) ? CANCELLED[reason] : `(${reason})`}`;
}

/** Why active users of a VM count as gone. */
function quiet({ absence }: Explained): string {
  if (absence?.everyMs === undefined) return 'none of its users has reported a position lately';
  const { everyMs, silentMs } = absence;
  return `its last user reports every ${duration(everyMs)} and has been silent for ${duration(silentMs)}`;
}

/** When the last user left, if the reason is that all have left; otherwise empty. */
function left({ reason, absence }: Explained): string {
  return reason === 'users-left' && absence !== undefined ? `, the last one at ${instant(absence.sinceMs)}` : '';
}

/** The site that serves best, among those where the VM may run if one of them is better; undefined if that is the home. */
function betterThanHome({ home, homeServingUserMsPerS, candidates }: Explained): Candidate | undefined {
  const others = candidates.filter(
    ({ site, servingUserMsPerS }) => site !== home && servingUserMsPerS < homeServingUserMsPerS,
  );
  others.sort((a, b) => a.servingUserMsPerS - b.servingUserMsPerS);
  return others.find(({ rejected }) => rejected !== 'not-allowed') ?? others[0];
}

function gain({ homeServingUserMsPerS }: Explained, { servingUserMsPerS }: Candidate): string {
  return digits(homeServingUserMsPerS - servingUserMsPerS);
}
