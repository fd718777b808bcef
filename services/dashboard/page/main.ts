/** The dashboard: one stream of pictures in, everything that shows it kept up to date. */
import { instant } from '#shared/format.ts';
import type { Line, MoveView } from '../wire.ts';
import { ask, isSignedIn, Refused, settings } from './api.ts';
import { createCharts } from './charts.ts';
import { nameOf, showChosen, updateFacts } from './chosen.ts';
import { byId, el, fill, say } from './dom.ts';
import { countsText, type ListOptions, showDecisions, showMoves, showSites } from './lists.ts';
import { type Chosen, createMap } from './map.ts';
import { createSigning } from './signing.ts';
import { stayConnected } from './stream.ts';
import { createTheme } from './theme.ts';
import { createTimeline } from './timeline.ts';
import { World } from './world.ts';

/** How often an explanation that is looked at is asked for again. */
const EXPLAIN_MS = 3_000;
/** Names that are offered to who looks for one. */
const MOST_NAMES = 30;

const page = await settings();
const now = new World();
/** Of the past, while somebody looks at it. */
let then: World | undefined;
let chosen: Chosen = {};
let decision: string | undefined;
/** The map has shown all sites once. */
let fitted = false;

const shown = () => then ?? now;
const mayAct = () => (!page.signIn || isSignedIn()) && then === undefined;

const map = createMap(byId('map'), page, (what) => choose(what));
const charts = createCharts(byId('chart'), byId('spread'));
const timeline = createTimeline(
  (picture) => {
    then = undefined;
    if (picture) {
      then = new World();
      then.apply(picture, performance.now() - 10_000);
    }
    map.show(shown());
    show();
    void explain();
  },
  (error) => announce(error instanceof Refused ? error.message : 'The past could not be had.'),
);
createTheme(byId('theme'), () => {
  map.repaint();
  charts.repaint();
});
const connection = stayConnected(take, announce);
if (page.signIn) createSigning(() => connection.reconnect());

function choose(what: Chosen, of?: string): void {
  chosen = what;
  decision = of;
  map.choose(what);
  show();
  void explain();
  // On a phone the panel is below the map.
  if ((what.vm ?? what.site) !== undefined) byId('chosen').scrollIntoView({ block: 'nearest' });
}

async function act(method: string, path: string, body: object | undefined, done: string): Promise<void> {
  try {
    await ask(method, path, body);
    announce(done);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    announce(error.message);
  }
  void explain();
}

/** One line at the top, which screen readers say. */
function announce(text: string): void {
  const banner = byId('banner');
  banner.hidden = text === '';
  say(banner, text);
}

function show(): void {
  const world = shown();
  const options: ListOptions = { mayAct: mayAct(), act, choose };
  say(byId('counts'), countsText(world));
  say(byId('clock'), instant(world.atMs));
  byId('clock').classList.toggle('past', then !== undefined);
  say(byId('underway'), `${world.movesUnderWay().length}`);
  showMoves(byId('moves'), world, options);
  showDecisions(byId('decisions'), world, options, decision);
  showSites(byId('sites'), world, options);
  charts.update(world);
  updateFacts(byId('chosen'), { chosen, world });
  const pause = byId('pause');
  pause.hidden = !(mayAct() || now.paused);
  pause.toggleAttribute('disabled', !mayAct());
  pause.classList.toggle('warn', now.paused);
  const words = mayAct() ? 'Resume automatic moves' : 'Automatic moves are paused';
  say(pause, now.paused ? words : 'Pause automatic moves');
}

function isTurn({ phase, outcome }: MoveView): boolean {
  return phase === 'queued' || outcome !== null;
}

async function explain(): Promise<void> {
  const section = byId('chosen');
  const options = { world: shown(), chosen, decision, mayAct: mayAct(), live: then === undefined, act, choose };
  section.dataset.of = nameOf(options);
  await showChosen(section, options);
}

function take(line: Line): void {
  now.apply(line, performance.now());
  timeline.update(now);
  if (then === undefined) map.touch();
  show();
  // The reasons of before a move began, or ended, are no longer those of now.
  if (line.kind === 'picture' || line.moves?.some((move) => move.vm === chosen.vm && isTurn(move))) void explain();
  if (!fitted && now.sites.size > 0) {
    map.fit();
    fitted = true;
  }
}

byId('pause').addEventListener('click', () => {
  const paused = !now.paused;
  void act(
    'PUT',
    '/v1/automation',
    { paused },
    paused ? 'Automatic moves are paused.' : 'VMs follow their users again.',
  );
});
const field = byId<HTMLInputElement>('name');
field.addEventListener('input', () => {
  const begun = field.value.toLowerCase();
  const names = [...shown().sites.keys(), ...shown().homes.keys()];
  const fit = names.filter((name) => name.toLowerCase().includes(begun)).slice(0, MOST_NAMES);
  fill(byId('names'), ...fit.map((value) => el('option', { value })));
});
byId('find').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = field.value.trim();
  const found = shown().sites.has(name) ? { site: name } : shown().homes.has(name) ? { vm: name } : undefined;
  if (found === undefined) return announce(`There is no VM and no site "${name}".`);
  choose(found);
  field.value = '';
  byId('chosen').focus();
});
document.addEventListener('keydown', (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test((event.target as HTMLElement).tagName);
  if (event.key === '/' && !typing) {
    event.preventDefault();
    field.focus();
  }
  if (event.key === 'Escape' && document.querySelector('dialog[open]') === null) choose({});
});
setInterval(() => {
  const section = byId('chosen');
  // Who reads or presses something there is not to have it replaced.
  if (chosen.vm === undefined || then || decision || section.matches(':hover, :focus-within')) return;
  void explain();
}, EXPLAIN_MS);

map.show(now);
// For the benchmark and the tests: what was drawn, and how long it took.
Object.assign(globalThis, { tagalong: { now, frameMs: map.frameMs, spotOf: map.spotOf } });
