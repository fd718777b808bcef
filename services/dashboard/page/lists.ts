/** The lists beside the map: moves under way, decisions, sites. Each entry is a button, so the keyboard reaches it. */
import { bytes, counted, timeOfDay } from '#shared/format.ts';
import type { DecisionView, MoveView, SiteView } from '../wire.ts';
import { type Action, cancel } from './actions.ts';
import { moveWords } from './chosen.ts';
import { el, keyed, setText } from './dom.ts';
import type { Chosen } from './pointing.ts';
import type { World } from './world.ts';

/** The most entries of a list. Viewers find the others by name. */
const MOST_SHOWN = 60;
const MOST_SITES = 300;

/** The options of the lists. */
export interface ListOptions {
  readonly mayAct: boolean;
  readonly act: (action: Action) => void;
  readonly choose: (chosen: Chosen, decision?: string) => void;
}

/** Shows the moves under way. */
export function showMoves(list: HTMLElement, world: World, options: ListOptions): void {
  const how = {
    key: ({ migration }: MoveView) => `${migration} ${options.mayAct}`,
    build: (move: MoveView) => moveItem(move, options),
    update: updateMove,
  };
  keyed(list, world.movesUnderWay().slice(0, MOST_SHOWN), how, () => el('li', { class: 'none' }, 'None.'));
}

function moveItem({ migration, vm, from, to }: MoveView, { mayAct, act, choose }: ListOptions): HTMLElement {
  const stop = () => act(() => cancel(migration));
  const item = el(
    'li',
    {},
    el('button', { type: 'button', class: 'link', onclick: () => choose({ vm }) }, el('b', {}, vm), ` ${from} → ${to}`),
    el('progress', { max: '1', 'aria-label': `Progress of the move of ${vm}` }),
    el('span', { class: 'facts' }),
  );
  if (mayAct) {
    const label = `Cancel the move of ${vm}`;
    item.append(el('button', { type: 'button', 'data-acts': true, 'aria-label': label, onclick: stop }, 'Cancel'));
  }
  return item;
}

function updateMove(item: HTMLElement, move: MoveView): void {
  const { sentBytes, remainingBytes, rateBps } = move;
  if (remainingBytes !== null) {
    item.querySelector('progress')!.value = sentBytes / Math.max(1, sentBytes + remainingBytes);
  }
  setText(item.querySelector('.facts')!, moveWords(move) + (rateBps > 0 ? `, ${bytes(rateBps)}/s` : ''));
}

/** The sign of a verdict, in addition to its colour. */
const SIGNS = { move: '▲', stay: '■', cancel: '✕' } as const;

/** Shows the latest decisions. @param chosen the id of the decision whose explanation is shown */
export function showDecisions(list: HTMLElement, world: World, options: ListOptions, chosen: string | undefined): void {
  const how = {
    key: ({ decision }: DecisionView) => decision,
    build: (decision: DecisionView) => decisionItem(decision, options),
    update(item: HTMLElement, decision: DecisionView) {
      setText(item.querySelector('small')!, endOf(decision, world));
      item.querySelector('button')!.setAttribute('aria-current', `${decision.decision === chosen}`);
    },
  };
  const latest = world.decisions.slice(-MOST_SHOWN).reverse();
  keyed(list, latest, how, () => el('li', { class: 'none' }, 'None so far.'));
}

function decisionItem(decision: DecisionView, { choose }: ListOptions): HTMLElement {
  const { vm, atMs, verdict } = decision;
  const what = el('span', { class: 'what' }, el('b', {}, vm), ` ${decisionWords(decision)} `, el('small', {}));
  return el(
    'li',
    {},
    el(
      'button',
      { type: 'button', class: 'link', onclick: () => choose({ vm }, decision.decision) },
      el('time', {}, timeOfDay(atMs)),
      el('span', { class: `sign ${verdict}`, title: verdict }, SIGNS[verdict]),
      what,
    ),
  );
}

function decisionWords({ verdict, from, to, reason, source, orderedBy }: DecisionView): string {
  const ordered = `ordered by ${orderedBy ?? 'an operator'}`;
  const why = source === 'operator' ? ordered : orderedBy === undefined ? reason : `${reason}, ${ordered}`;
  if (verdict === 'move') return `${from} → ${to}, ${why}`;
  return verdict === 'stay' ? `stays at ${from}, ${why}` : `cancels ${from} → ${to}, ${why}`;
}

/** The outcome of a decision's move; empty if it has not ended. */
function endOf({ verdict, decision }: DecisionView, world: World): string {
  const move = verdict === 'move' ? world.moves.get(decision) : undefined;
  if (move === undefined || move.outcome === null) return '';
  if (move.outcome !== 'completed') return `${move.outcome} ${move.because}${cancellerOf(move)}`;
  const { pauseMs, interruptionMs, degraded } = move.figures!;
  const notes = degraded.length > 0 ? `, ${degraded.join(', ')}` : '';
  return `pause ${Math.round(pauseMs)} ms, interruption ${Math.round(interruptionMs)} ms${notes}`;
}

function cancellerOf({ cancelledBy }: MoveView): string {
  return cancelledBy === undefined ? '' : ` (${cancelledBy})`;
}

/** Shows the table of sites. @param body the body of the table; the page has its head */
export function showSites(body: HTMLElement, world: World, { choose }: ListOptions): void {
  const how = {
    key: ({ site }: SiteView) => site,
    build: ({ site }: SiteView) =>
      el(
        'tr',
        {},
        el(
          'th',
          { scope: 'row', class: 'widest' },
          el('button', { type: 'button', class: 'link name', title: site, onclick: () => choose({ site }) }, site),
        ),
        el('td'),
        el('td'),
        el('td', { class: 'state' }),
        el('td', { class: 'state' }),
      ),
    update(row: HTMLElement, { vms, slots, draining }: SiteView) {
      const cells = row.querySelectorAll('td');
      const load = slots === 0 ? '' : `${Math.round((100 * vms) / slots)} %`;
      for (const [i, text] of [`${vms}`, `${slots}`, load, draining ? 'draining' : ''].entries())
        setText(cells[i]!, text);
      cells[3]!.classList.toggle('draining', draining);
    },
  };
  const sites = [...world.sites.values()].sort((a, b) => (a.site < b.site ? -1 : 1));
  keyed(body, sites.slice(0, MOST_SITES), how);
}

/** `7 sites, 100 VMs, 130 users, 2 moves under way` */
export function countsText(world: World): string {
  const users = world.hasUsers ? `${counted(world.users.size, 'user')}, ` : '';
  const moves = counted(world.movesUnderWay().length, 'move');
  return `${counted(world.sites.size, 'site')}, ${counted(world.homes.size, 'VM')}, ${users}${moves} under way`;
}
