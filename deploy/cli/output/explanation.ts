/** Explains as text why a VM is at its site. */
import type { Affinity } from '#shared/events/index.ts';
import { counted, digits, duration, instant } from '#shared/format.ts';
import { type Explained, inPlainWords } from '#shared/policy/decide/words.ts';
import { table } from './table.ts';
import { wrapped } from './wrap.ts';

const FACT_WIDTH = 'expected stay  '.length;

/**
 * The reason as a sentence, the facts behind it, and a table of the candidates.
 * @param movingTo the site to which the VM moves now
 * @param columns width of the terminal, if there is one; the sentence wraps between words
 */
export function explanationText(
  explained: Explained,
  movingTo: string | undefined,
  columns = Number.POSITIVE_INFINITY,
): string {
  const { vm, home, state, policy, reason, sessions, expectedStayMs, oldestFixAgeMs } = explained;
  const facts: [string, string][] = [
    ['state', `${state} (${reason}), by the policy ${policy}`],
    // Users whose last position is recent enough to count; `status` shows all attached users.
    ['active users', `${sessions}${sessions === 0 ? '' : `; the oldest position is ${duration(oldestFixAgeMs)} old`}`],
    ['expected stay', duration(expectedStayMs)],
    ...orderFact(explained),
    ...lastMoveFact(explained),
    ...affinityFacts(explained),
  ];
  const candidates = table(
    [
      { head: 'candidate' },
      { head: 'gain', align: 'right' },
      { head: 'takes', align: 'right' },
      { head: 'gap', align: 'right' },
      { head: 'cost', align: 'right' },
      { head: 'worth', align: 'right' },
      { head: 'refused by' },
    ],
    explained.candidates.map(({ site, servingUserMsPerS, prediction, rejected }) => [
      site === home ? `${site} (home)` : site,
      site === home ? '' : digits(explained.homeServingUserMsPerS - servingUserMsPerS),
      ...(prediction === undefined
        ? ['', '', '', '']
        : [
            duration(prediction.durationMs),
            duration(prediction.interruptionMs),
            digits(prediction.costUserMs),
            digits(prediction.benefitUserMs),
          ]),
      rejected ?? '',
    ]),
  );
  const units = [
    'Gain: what the site would serve better, in user-milliseconds a second.',
    'Gap: the interruption that clients would see. Cost and worth of the move: in',
    'user-milliseconds. With --json there is more.',
  ].join('\n');
  const title = `${vm} at ${home}, ${counted(explained.candidates.length, 'candidate')}`;
  const sentence = wrapped(inPlainWords(explained, movingTo), columns);
  const lines = [title, ...facts.map(([what, text]) => `${what.padEnd(FACT_WIDTH)}${text}`)];
  return `${sentence}\n\n${lines.join('\n')}\n\n${candidates}\n${units}\n`;
}

function orderFact({ orderedBy }: Explained): [string, string][] {
  return orderedBy === undefined ? [] : [['ordered by', orderedBy]];
}

function lastMoveFact({ lastMove }: Explained): [string, string][] {
  if (lastMove === undefined) return [];
  const { to, ended, reason, atMs, orderedBy, cancelledBy } = lastMove;
  const why = cancelledBy ?? reason;
  const ordered = orderedBy === undefined ? '' : `, ordered by ${orderedBy}`;
  return [['last move', `to ${to}, ${ended}${why === '' ? '' : ` (${why})`} at ${instant(atMs)}${ordered}`]];
}

/** The declared limits on its sites, and its declared relations to other VMs. */
function affinityFacts({ vm, affinity }: Explained): [string, string][] {
  if (affinity === undefined) return [];
  return [...siteFacts(affinity), ...relationFacts(vm, affinity)];
}

function relationFacts(vm: string, { apart, group }: Affinity): [string, string][] {
  const facts: [string, string][] = apart === undefined ? [] : [['apart', `from all others of ${apart}`]];
  if (group === undefined) return facts;
  const price = `; apart costs ${digits(group.apartUserMsPerS)} user-milliseconds a second`;
  return [...facts, ['group', group.lead === vm ? 'it leads' : `it follows ${group.lead}${price}`]];
}

function siteFacts(affinity: Affinity): [string, string][] {
  const lists = (['allowed', 'preferred', 'avoided'] as const).flatMap((list): [string, string][] => {
    const sites = affinity[list];
    return sites === undefined ? [] : [[list, sites.join(', ')]];
  });
  return affinity.preferred === undefined && affinity.avoided === undefined
    ? lists
    : [...lists, ['elsewhere', `costs ${digits(affinity.preferenceUserMsPerS)} user-milliseconds a second more`]];
}
