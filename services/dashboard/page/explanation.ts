/** The explanation of a VM's site: a sentence, the facts behind it, and a table of all candidates. */
import { bytes, counted, digits, duration, timeOfDay } from '#shared/format.ts';
import type { CoarseExplained } from '#shared/policy/decide/coarse.ts';
import type { Explained } from '#shared/policy/decide/words.ts';
import type { DecisionView } from '../wire.ts';
import { el } from './dom.ts';

/** The sentence about a past decision. @param explained undefined if the viewer may not see figures */
export function decisionSentence(decision: DecisionView, explained: Explained | undefined): string {
  const { vm, verdict, from, to, reason, source, atMs, orderedBy } = decision;
  const at = `At ${timeOfDay(atMs)} `;
  if (verdict === 'stay') return `${at}the policy decided that ${vm} stays at ${from}: ${reason}.`;
  if (verdict === 'cancel') return `${at}the move of ${vm} from ${from} to ${to} was cancelled: ${reason}.`;
  if (source === 'operator') return `${at}${orderedBy ?? 'an operator'} ordered ${vm} to move from ${from} to ${to}.`;
  const ordered = `${at}the policy decided to move ${vm} from ${from} to ${to}`;
  if (source === 'evacuation') {
    const by = orderedBy === undefined ? '' : `; ${orderedBy} ordered the drain`;
    return `${ordered}, because ${from} was draining or silent (${reason})${by}.`;
  }
  const target = explained?.candidates.find(({ site }) => site === to);
  if (explained === undefined || target?.prediction === undefined) return `${ordered}: ${reason}.`;
  const gain = digits(explained.homeServingUserMsPerS - target.servingUserMsPerS);
  const { costUserMs, benefitUserMs } = target.prediction;
  return (
    `${ordered}, which serves ${counted(explained.sessions, 'user')} better by ${gain} user-milliseconds a second. ` +
    `The predicted benefit while they stay is ${digits(benefitUserMs)} user-milliseconds; the move costs ${digits(costUserMs)}.`
  );
}

/** The elements of an explanation. @param sentence the first of them */
export function explanationParts(explained: Explained, sentence: string): HTMLElement[] {
  const { state, reason, policy, sessions, oldestFixAgeMs, expectedStayMs } = explained;
  const age = sessions === 0 ? '' : `, oldest position ${duration(oldestFixAgeMs)} old`;
  return [
    el('p', { class: 'sentence' }, sentence),
    el(
      'p',
      { class: 'facts' },
      `State: ${state} (${reason}). Policy: ${policy}. ${counted(sessions, 'active user')}${age}. `,
      `Expected stay: ${duration(expectedStayMs)}.`,
    ),
    candidateTable(explained),
  ];
}

/** The elements of an explanation without figures. @param sentence the first of them */
export function coarseParts({ state, reason, policy, sessions }: CoarseExplained, sentence: string): HTMLElement[] {
  return [
    el('p', { class: 'sentence' }, sentence),
    el('p', { class: 'facts' }, `State: ${state} (${reason}). Policy: ${policy}. ${counted(sessions, 'active user')}.`),
  ];
}

/** The table of candidates. */
function candidateTable({ home, homeServingUserMsPerS, candidates }: Explained): HTMLElement {
  const head = [
    ['site', ''],
    ['gain', 'How much better than the home the site serves the users, in user-milliseconds a second'],
    ['takes', 'Predicted duration of the move'],
    ['gap', 'Predicted interruption of clients'],
    ['cost', 'Predicted cost of the move for the users, in user-milliseconds'],
    ['worth', 'Predicted benefit while the users stay, in user-milliseconds'],
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
  if (serving >= home) return 'not better';
  return prediction && prediction.benefitUserMs < prediction.costUserMs ? 'costs more than it is worth' : '';
}
