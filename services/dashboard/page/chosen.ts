/** The VM or the site that was chosen: what is known of it, and what an operator may do with it. */
import { bytes, counted, digits } from '#shared/format.ts';
import { type Explained, inPlainWords } from '#shared/policy/decide/words.ts';
import type { MoveView } from '../wire.ts';
import { migrate } from './actions.ts';
import { explain, explainDecision, Refused } from './api.ts';
import type { ChosenOptions } from './chosen-options.ts';
import { el, fill, say } from './dom.ts';
import { decisionSentence, explanationParts } from './explanation.ts';
import { showSite } from './site-panel.ts';

/** Shows what was chosen in `section`. */
export async function showChosen(section: HTMLElement, options: ChosenOptions): Promise<void> {
  const { chosen, choose } = options;
  section.hidden = chosen.vm === undefined && chosen.site === undefined;
  if (section.hidden) return;
  if (chosen.site !== undefined) return showSite(section, chosen.site, () => closeButton(choose), options);
  const vm = chosen.vm!;
  const head = [closeButton(choose), el('h2', { title: vm }, vm), vmFacts(vm, options), ...askNow(vm, options)];
  const explained = await whyOf(vm, options);
  // Something else may have been chosen while the answer was on its way.
  if (section.dataset.of !== nameOf(options)) return;
  const why =
    explained instanceof Refused
      ? [el('p', { class: 'facts' }, explained.message)]
      : [...explanationParts(explained, sentenceOf(vm, explained, options)), ...vmActions(explained, options)];
  // The site that the operator has chosen as destination stays chosen.
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

/** What `section` is to show, so that an answer that comes late is not shown. */
export function nameOf({ chosen, decision }: Pick<ChosenOptions, 'chosen' | 'decision'>): string {
  return `${chosen.vm ?? chosen.site ?? ''} ${decision ?? ''}`;
}

function titleOf({ decision }: ChosenOptions): string {
  return decision === undefined ? 'Why here, why not there' : `Why, when ${decision} was decided`;
}

function sentenceOf(vm: string, explained: Explained, { world, decision, live }: ChosenOptions): string {
  const decided = world.decisions.findLast((one) => (decision ? one.decision === decision : !live && one.vm === vm));
  return decided ? decisionSentence(decided, explained) : inPlainWords(explained, world.moveOf(vm)?.to);
}

async function whyOf(vm: string, { decision, live, world }: ChosenOptions): Promise<Explained | Refused> {
  try {
    if (decision !== undefined) return await explainDecision(decision);
    if (live) return await explain(vm);
    const last = world.decisions.findLast((one) => one.vm === vm);
    if (last !== undefined) return await explainDecision(last.decision);
    return new Refused('', 'Nothing had been decided of it in the hour before.');
  } catch (error) {
    if (error instanceof Refused) return error;
    throw error;
  }
}

function vmFacts(vm: string, options: Pick<ChosenOptions, 'world'>): HTMLElement {
  const [home, users, move] = [el('dd', { class: 'home' }), el('dd', { class: 'users' }), el('dd', { class: 'move' })];
  const facts = el('dl', {}, el('dt', {}, 'home'), home, el('dt', {}, 'users'), users, el('dt', {}, 'move'), move);
  sayFacts(facts, vm, options);
  return facts;
}

/** Keeps what is said of a chosen VM or site up to date, however it was chosen. */
export function updateFacts(section: HTMLElement, options: ChosenOptions): void {
  const { chosen, choose, world } = options;
  const facts = section.querySelector('dl');
  if (chosen.site !== undefined) showSite(section, chosen.site, () => closeButton(choose), options);
  else if (facts !== null && chosen.vm !== undefined) sayFacts(facts, chosen.vm, { world });
}

function sayFacts(facts: HTMLElement, vm: string, { world }: Pick<ChosenOptions, 'world'>): void {
  const home = world.homes.get(vm) ?? 'nowhere known';
  const move = world.moveOf(vm);
  const names = world.usersOf(vm).map(({ name }) => name);
  say(facts.querySelector('.home')!, move && move.to !== home ? `${home}, moving to ${move.to}` : home);
  say(facts.querySelector('.users')!, world.hasUsers ? names.join(', ') || 'nobody heard of' : 'shown to who signs in');
  say(facts.querySelector('.move')!, move ? moveWords(move) : 'none under way');
}

function askNow(vm: string, { decision, choose }: ChosenOptions): HTMLElement[] {
  if (decision === undefined) return [];
  return [el('button', { type: 'button', 'data-key': 'now', onclick: () => choose({ vm }) }, 'Ask why now')];
}

/** *Move to* a site: the best one first, none chosen beforehand. */
function vmActions(explained: Explained, { world, decision, mayAct, live, act }: ChosenOptions): HTMLElement[] {
  // What was known when a decision was made is no longer what a move would be worth.
  if (!mayAct || !live || decision !== undefined) return [];
  const { home, homeServingUserMsPerS, candidates } = explained;
  const best = candidates.filter(({ site }) => site !== home);
  best.sort((a, b) => a.servingUserMsPerS - b.servingUserMsPerS);
  const near = new Set([home, ...best.map(({ site }) => site)]);
  const far = [...world.sites.keys()].filter((site) => !near.has(site)).sort();
  const to = el(
    'select',
    { id: 'to', 'data-key': 'to', 'data-acts': true, required: true },
    el('option', { value: '' }, 'choose a site'),
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
export function moveWords({ phase, sentBytes, remainingBytes, subflows, bytesByPath, paths }: MoveView): string {
  const left = remainingBytes === null || remainingBytes === 0 ? '' : `, ${bytes(remainingBytes)} left`;
  const flows = subflows > 0 ? `, ${counted(subflows, 'subflow')}` : `, ${counted(paths.length, 'path')}`;
  const each = Object.entries(bytesByPath).map(([path, sent]) => `${path.split('/').at(-1)} ${bytes(sent)}`);
  return `${phase}, ${bytes(sentBytes)} sent${left}${flows}${each.length > 0 ? `: ${each.join(', ')}` : ''}`;
}
