/** The panel of the chosen VM or site: its state, its explanation, and the actions of an operator. */
import { bytes, counted, digits } from '#shared/format.ts';
import { coarseWords, isCoarse } from '#shared/policy/decide/coarse.ts';
import { type Explained, inPlainWords } from '#shared/policy/decide/words.ts';
import type { MoveView } from '../wire.ts';
import { migrate } from './actions.ts';
import { type Explanation, explain, explainDecision, Refused } from './api.ts';
import type { ChosenOptions } from './chosen-options.ts';
import { el, fill, setText } from './dom.ts';
import { coarseParts, decisionSentence, explanationParts } from './explanation.ts';
import { showSite } from './site-panel.ts';

/** Shows the chosen VM or site in `section`. */
export async function showChosen(section: HTMLElement, options: ChosenOptions): Promise<void> {
  const { chosen, choose } = options;
  section.hidden = chosen.vm === undefined && chosen.site === undefined;
  if (section.hidden) return;
  if (chosen.site !== undefined) return showSite(section, chosen.site, () => closeButton(choose), options);
  const vm = chosen.vm!;
  const head = [closeButton(choose), el('h2', { title: vm }, vm), vmFacts(vm, options), ...askNow(vm, options)];
  const explained = await whyOf(vm, options);
  // The viewer may have chosen something else while the answer was on its way.
  if (section.dataset.of !== selectionKey(options)) return;
  const why =
    explained instanceof Refused
      ? [el('p', { class: 'facts' }, explained.message)]
      : isCoarse(explained)
        ? coarseParts(explained, sentenceOf(vm, explained, options))
        : [...explanationParts(explained, sentenceOf(vm, explained, options)), ...vmActions(explained, options)];
  // Keeps the destination that the operator has selected.
  const to = section.dataset.site === undefined ? section.querySelector<HTMLSelectElement>('#to')?.value : undefined;
  delete section.dataset.site;
  const same = section.dataset.shown === section.dataset.of;
  section.dataset.shown = section.dataset.of;
  fill(section, ...head, el('h3', {}, titleOf(options)), ...why);
  const select = section.querySelector<HTMLSelectElement>('#to');
  if (same && select !== null && to !== undefined) select.value = to;
}

function closeButton(choose: ChosenOptions['choose']): HTMLElement {
  const close = el('button', { type: 'button', class: 'close', 'data-key': 'close', onclick: () => choose({}) }, '×');
  close.setAttribute('aria-label', 'Close');
  return close;
}

/** Identifies the content that `section` should show, so that a late answer for other content is dropped. */
export function selectionKey({ chosen, decision }: Pick<ChosenOptions, 'chosen' | 'decision'>): string {
  return `${chosen.vm ?? chosen.site ?? ''} ${decision ?? ''}`;
}

function titleOf({ decision }: ChosenOptions): string {
  return decision === undefined ? 'Why it is at this site' : `Why ${decision} was decided`;
}

function sentenceOf(vm: string, explained: Explanation, { world, decision, live }: ChosenOptions): string {
  const decided = world.decisions.findLast((one) => (decision ? one.decision === decision : !live && one.vm === vm));
  if (decided) return decisionSentence(decided, isCoarse(explained) ? undefined : explained);
  const to = world.moveOf(vm)?.to;
  return isCoarse(explained) ? coarseWords(explained, to) : inPlainWords(explained, to);
}

async function whyOf(vm: string, { decision, live, world }: ChosenOptions): Promise<Explanation | Refused> {
  try {
    if (decision !== undefined) return await explainDecision(decision);
    if (live) return await explain(vm);
    const last = world.decisions.findLast((one) => one.vm === vm);
    if (last !== undefined) return await explainDecision(last.decision);
    return new Refused('', 'In the hour before, nothing was decided about this VM.');
  } catch (error) {
    if (error instanceof Refused) return error;
    throw error;
  }
}

function vmFacts(vm: string, options: Pick<ChosenOptions, 'world'>): HTMLElement {
  const [home, users, move] = [el('dd', { class: 'home' }), el('dd', { class: 'users' }), el('dd', { class: 'move' })];
  const facts = el('dl', {}, el('dt', {}, 'home'), home, el('dt', {}, 'users'), users, el('dt', {}, 'move'), move);
  showFacts(facts, vm, options);
  return facts;
}

/** Updates the state of the chosen VM or site. */
export function updateFacts(section: HTMLElement, options: ChosenOptions): void {
  const { chosen, choose, world } = options;
  const facts = section.querySelector('dl');
  if (chosen.site !== undefined) showSite(section, chosen.site, () => closeButton(choose), options);
  else if (facts !== null && chosen.vm !== undefined) showFacts(facts, chosen.vm, { world });
}

function showFacts(facts: HTMLElement, vm: string, { world }: Pick<ChosenOptions, 'world'>): void {
  const home = world.homes.get(vm) ?? 'unknown';
  const move = world.moveOf(vm);
  const names = world.usersOf(vm).map(({ name }) => name);
  setText(facts.querySelector('.home')!, move && move.to !== home ? `${home}, moving to ${move.to}` : home);
  setText(
    facts.querySelector('.users')!,
    world.hasUsers ? names.join(', ') || 'none with a position' : 'sign in to see users',
  );
  setText(facts.querySelector('.move')!, move ? moveWords(move) : 'none');
}

function askNow(vm: string, { decision, choose }: ChosenOptions): HTMLElement[] {
  if (decision === undefined) return [];
  return [
    el('button', { type: 'button', 'data-key': 'now', onclick: () => choose({ vm }) }, 'Explain its present site'),
  ];
}

/** The form *Move to*: lists the best site first, and preselects none. */
function vmActions(explained: Explained, { world, decision, mayAct, live, act }: ChosenOptions): HTMLElement[] {
  // The candidates of a past decision no longer tell the benefit of a move.
  if (!mayAct || !live || decision !== undefined) return [];
  const { home, homeServingUserMsPerS, candidates } = explained;
  const best = candidates.filter(({ site }) => site !== home);
  best.sort((a, b) => a.servingUserMsPerS - b.servingUserMsPerS);
  const near = new Set([home, ...best.map(({ site }) => site)]);
  const far = [...world.sites.keys()].filter((site) => !near.has(site)).sort();
  const to = el(
    'select',
    { id: 'to', 'data-key': 'to', 'data-acts': true, required: true },
    el('option', { value: '' }, 'select a site'),
    ...best.map(({ site, servingUserMsPerS, rejected }) => {
      const gain = homeServingUserMsPerS - servingUserMsPerS;
      const words = `${site}: gain ${gain > 0 ? '+' : ''}${digits(gain)}${rejected === undefined ? '' : `, ${rejected}`}`;
      return el('option', { value: site }, words);
    }),
    ...far.map((site) => el('option', { value: site }, `${site}: not near its users`)),
  );
  const go = (event: Event) => {
    event.preventDefault();
    act(() => migrate(explained, to.value));
  };
  const button = el('button', { 'data-key': 'migrate', 'data-acts': true }, 'Migrate …');
  return [el('form', { class: 'row', onsubmit: go }, el('label', { for: 'to' }, 'Move to'), to, button)];
}

/** `memory, 1.20 GB sent, 230 MB left, 2 subflows: a 620 MB, b 580 MB` */
export function moveWords(move: MoveView): string {
  const { phase, sentBytes, remainingBytes, subflows, bytesByPath, paths, orderedBy } = move;
  const left = remainingBytes === null || remainingBytes === 0 ? '' : `, ${bytes(remainingBytes)} left`;
  const flows = subflows > 0 ? `, ${counted(subflows, 'subflow')}` : `, ${counted(paths.length, 'path')}`;
  const each = Object.entries(bytesByPath).map(([path, sent]) => `${path.split('/').at(-1)} ${bytes(sent)}`);
  const ordered = orderedBy === undefined ? '' : `, ordered by ${orderedBy}`;
  return `${phase}, ${bytes(sentBytes)} sent${left}${flows}${each.length > 0 ? `: ${each.join(', ')}` : ''}${ordered}`;
}
