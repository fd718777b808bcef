/** The VM or the site that was chosen: what is known of it, and what an operator may do with it. */
import { bytes, counted } from '#shared/format.ts';
import { type Explained, inPlainWords } from '#shared/policy/words.ts';
import type { MoveView } from '../wire.ts';
import { explain, explainDecision, Refused } from './api.ts';
import { el, fill, say } from './dom.ts';
import { decisionSentence, explanationParts } from './explanation.ts';
import type { Chosen } from './map.ts';
import type { World } from './world.ts';

/** What the panel shows, and can do. */
export interface ChosenOptions {
  readonly world: World;
  readonly chosen: Chosen;
  /** The decision whose explanation is shown; else that of now. */
  readonly decision: string | undefined;
  /** False: buttons that change something are not there. */
  readonly mayAct: boolean;
  /** False: the past is shown, of which nobody can be asked why. */
  readonly live: boolean;
  readonly act: (method: string, path: string, body: object | undefined, done: string) => void;
  readonly choose: (chosen: Chosen, decision?: string) => void;
}

/** Shows what was chosen in `section`. */
export async function showChosen(section: HTMLElement, options: ChosenOptions): Promise<void> {
  const { chosen, choose } = options;
  section.hidden = chosen.vm === undefined && chosen.site === undefined;
  if (section.hidden) return;
  const close = el('button', { type: 'button', class: 'close', 'data-key': 'close', onclick: () => choose({}) }, '×');
  close.setAttribute('aria-label', 'Close');
  if (chosen.site !== undefined) return fill(section, close, ...siteParts(chosen.site, options));
  const vm = chosen.vm!;
  const head = [close, el('h2', {}, vm), vmFacts(vm, options), ...askNow(vm, options)];
  const explained = await whyOf(vm, options);
  // Something else may have been chosen while the answer was on its way.
  if (section.dataset.of !== nameOf(options)) return;
  const why =
    explained instanceof Refused
      ? [el('p', { class: 'facts' }, explained.message)]
      : explanationParts(explained, sentenceOf(vm, explained, options));
  fill(section, ...head, el('h3', {}, titleOf(options)), ...why, ...vmActions(vm, options));
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

/** Keeps what is said of a chosen VM up to date, whoever points at it. */
export function updateFacts(section: HTMLElement, { chosen, world }: Pick<ChosenOptions, 'chosen' | 'world'>): void {
  const facts = section.querySelector('dl');
  if (facts !== null && chosen.vm !== undefined) sayFacts(facts, chosen.vm, { world });
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

function vmActions(vm: string, { world, mayAct, live, act }: ChosenOptions): HTMLElement[] {
  if (!mayAct || !live) return [];
  const home = world.homes.get(vm);
  const names = [...world.sites.keys()].filter((site) => site !== home).sort();
  const to = el('select', { id: 'to', 'data-key': 'to' }, ...names.map((site) => el('option', { value: site }, site)));
  const go = (event: Event) => {
    event.preventDefault();
    act(
      'POST',
      `/v1/vms/${encodeURIComponent(vm)}/moves`,
      { to: to.value },
      `${vm}: its move to ${to.value} is ordered.`,
    );
  };
  const button = el('button', { class: 'main', 'data-key': 'migrate' }, 'Migrate');
  return [el('form', { class: 'row', onsubmit: go }, el('label', { for: 'to' }, 'Move to'), to, button)];
}

function siteParts(name: string, { world, mayAct, live, act, choose }: ChosenOptions): HTMLElement[] {
  const site = world.sites.get(name);
  if (site === undefined) return [el('h2', {}, name), el('p', {}, 'It has not been heard of.')];
  const vms = [...world.vmsAt(name)].sort();
  const few = vms.slice(0, 200);
  const load = `${site.vms} of ${counted(site.slots, 'slot')} taken${site.draining ? '; draining' : ''}`;
  const buttons = few.map((vm) =>
    el('li', {}, el('button', { type: 'button', class: 'link', 'data-key': vm, onclick: () => choose({ vm }) }, vm)),
  );
  const drain = () =>
    act(
      'POST',
      `/v1/sites/${encodeURIComponent(name)}/drain`,
      { draining: !site.draining },
      site.draining ? `${name}: VMs may come again.` : `${name}: its VMs are to leave.`,
    );
  const words = site.draining ? 'Let VMs come again' : 'Drain';
  return [
    el('h2', {}, name),
    el('p', { class: 'facts' }, load),
    ...(mayAct && live ? [el('button', { type: 'button', 'data-key': 'drain', onclick: drain }, words)] : []),
    el('ul', { class: 'vms' }, ...buttons),
    ...(vms.length > few.length ? [el('p', { class: 'facts' }, `and ${vms.length - few.length} more`)] : []),
  ];
}

/** `memory, 1.20 GB sent, 230 MB left, 2 subflows: a 620 MB, b 580 MB` */
export function moveWords({ phase, sentBytes, remainingBytes, subflows, bytesByPath, paths }: MoveView): string {
  const left = remainingBytes === null || remainingBytes === 0 ? '' : `, ${bytes(remainingBytes)} left`;
  const flows = subflows > 0 ? `, ${counted(subflows, 'subflow')}` : `, ${counted(paths.length, 'path')}`;
  const each = Object.entries(bytesByPath).map(([path, sent]) => `${path.split('/').at(-1)} ${bytes(sent)}`);
  return `${phase}, ${bytes(sentBytes)} sent${left}${flows}${each.length > 0 ? `: ${each.join(', ')}` : ''}`;
}
