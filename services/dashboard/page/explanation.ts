/** Why a VM is where it is, and why not elsewhere: the sentence, what it rests on, and every candidate. */
import { bytes, counted, digits, duration, timeOfDay } from '#shared/format.ts';
import type { Explained } from '#shared/policy/decide/words.ts';
import type { DecisionView } from '../wire.ts';
import { el } from './dom.ts';

/** What is said first of a decision of the past. */
export function decisionSentence(decision: DecisionView, explained: Explained): string {
  const { vm, verdict, from, to, reason, source, atMs } = decision;
  const at = `At ${timeOfDay(atMs)} `;
  if (verdict === 'stay') return `${at}${vm} was to stay at ${from} after all: ${reason}.`;
  if (verdict === 'cancel') return `${at}the move of ${vm} from ${from} to ${to} was given up: ${reason}.`;
  const ordered = `${at}${vm} was to move from ${from} to ${to}`;
  if (source === 'operator') return `${ordered}: an operator ordered it.`;
  if (source === 'evacuation') return `${ordered}: ${from} was being emptied, or had fallen silent (${reason}).`;
  const target = explained.candidates.find(({ site }) => site === to);
  if (target?.prediction === undefined) return `${ordered}: ${reason}.`;
  const gain = digits(explained.homeServingUserMsPerS - target.servingUserMsPerS);
  const { costUserMs, benefitUserMs } = target.prediction;
  return (
    `${ordered}, which serves ${counted(explained.sessions, 'user')} better by ${gain} user-milliseconds a second: ` +
    `worth ${digits(benefitUserMs)} in the time they are expected to stay, at a cost of ${digits(costUserMs)}.`
  );
}

/** @param sentence what is said first */
export function explanationParts(explained: Explained, sentence: string): HTMLElement[] {
  const { state, reason, policy, sessions, oldestFixAgeMs, expectedStayMs } = explained;
  const heard = sessions === 0 ? '' : `, last heard of ${duration(oldestFixAgeMs)} before`;
  return [
    el('p', { class: 'sentence' }, sentence),
    el(
      'p',
      { class: 'facts' },
      `${state} (${reason}), by the policy ${policy}; ${counted(sessions, 'active user')}${heard}; `,
      `expected to stay ${duration(expectedStayMs)}.`,
    ),
    candidateTable(explained),
  ];
}

/** Serving in user-milliseconds a second, cost and benefit in user-milliseconds. */
function candidateTable({ home, homeServingUserMsPerS, candidates }: Explained): HTMLElement {
  const head = [
    ['site', ''],
    ['gain', 'What the site would serve better than the home, in user-milliseconds a second'],
    ['takes', 'How long a move there would take'],
    ['gap', 'The interruption that clients would see'],
    ['cost', 'What the move would cost its users once, in user-milliseconds'],
    ['worth', 'What is gained while they are expected to stay, in user-milliseconds'],
    ['why not', ''],
  ];
  const rows = candidates.map(({ site, servingUserMsPerS, prediction, rejected }) => {
    const isHome = site === home;
    const gain = isHome ? '' : digits(homeServingUserMsPerS - servingUserMsPerS);
    const predicted = prediction
      ? [
          duration(prediction.durationMs),
          duration(prediction.interruptionMs),
          digits(prediction.costUserMs),
          digits(prediction.benefitUserMs),
        ]
      : ['', '', '', ''];
    const title: Record<string, string> = prediction ? { title: `${bytes(prediction.bytes)} to send` } : {};
    return el(
      'tr',
      isHome ? { class: 'home' } : title,
      el('th', { scope: 'row', class: 'name', title: site }, isHome ? `${site} (home)` : site),
      ...[gain, ...predicted].map((text) => el('td', {}, text)),
      el(
        'td',
        { class: 'why' },
        rejected ?? (isHome ? '' : whyNot(servingUserMsPerS, homeServingUserMsPerS, prediction)),
      ),
    );
  });
  return el(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Candidates' },
    el(
      'table',
      { class: 'candidates' },
      el(
        'thead',
        {},
        el(
          'tr',
          {},
          ...head.map(([text, title]) =>
            el('th', { scope: 'col', title: title!, class: text === 'why not' ? 'why' : '' }, text!),
          ),
        ),
      ),
      el('tbody', {}, ...rows),
    ),
  );
}

function whyNot(
  serving: number,
  home: number,
  prediction: { readonly costUserMs: number; readonly benefitUserMs: number } | undefined,
): string {
  if (serving >= home) return 'no better';
  return prediction && prediction.benefitUserMs < prediction.costUserMs ? 'not worth it yet' : '';
}
