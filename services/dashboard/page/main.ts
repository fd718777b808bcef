/** The dashboard page: receives the stream of pictures, and updates everything that shows them. */
import { instant } from '#shared/format.ts';
import type { Line, MoveView } from '../wire.ts';
import { type Action, pause } from './actions.ts';
import { maySignedInOperate, Refused, settings } from './api.ts';
import { createCharts } from './charts.ts';
import { selectionKey, showChosen, updateFacts } from './chosen.ts';
import type { ChosenOptions } from './chosen-options.ts';
import { byId, el, fill, setText } from './dom.ts';
import { countsText, type ListOptions, showDecisions, showMoves, showSites } from './lists.ts';
import { createMap } from './map.ts';
import { announce, showLoss } from './notices.ts';
import type { Chosen } from './pointing.ts';
import { createSigning } from './signing.ts';
import { stayConnected } from './stream.ts';
import { createTheme } from './theme.ts';
import { createTimeline } from './timeline.ts';
import { World } from './world.ts';

/** How often the page asks again for the explanation that it shows. */
const EXPLAIN_MS = 3_000;
/** The most names that the search field suggests. */
const MOST_NAMES = 30;

const page = await settings();
const now = new World();
/** The picture of the past, while the viewer looks at one. */
let then: World | undefined;
let chosen: Chosen = {};
let decision: string | undefined;
/** True when the map has shown all sites once. */
let fitted = false;
let connected = true;
/** On a phone the panel of the chosen VM or site is below the map. */
const narrow = matchMedia('(max-width: 860px)');

const shown = () => then ?? now;
/** A viewer gets no buttons that the server would refuse. */
const mayAct = () => (!page.signIn || maySignedInOperate()) && then === undefined;

const map = createMap(byId('map'), page, (what) => void choose(what));
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
  (error) => announce(error instanceof Refused ? error.message : 'The past could not be loaded.'),
);
createTheme(byId('theme'), () => {
  map.repaint();
  charts.repaint();
});
const connection = stayConnected(take, (sinceMs) => {
  connected = sinceMs === undefined;
  showLoss(sinceMs);
  timeline.connect(connected);
  show();
});
if (page.signIn) createSigning(() => connection.reconnect());

async function choose(what: Chosen, of?: string): Promise<void> {
  chosen = what;
  decision = of;
  map.choose(what);
  show();
  await explain();
  if (chosen !== what || (what.vm ?? what.site) === undefined) return;
  byId('chosen').scrollIntoView({ block: narrow.matches ? 'start' : 'nearest' });
}

async function act(action: Action): Promise<void> {
  try {
    const done = await action();
    if (done === undefined) return;
    announce(done);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    announce(error.message);
  }
  void explain();
}

function show(): void {
  const world = shown();
  const options: ListOptions = { mayAct: mayAct(), act, choose };
  setText(byId('counts'), countsText(world));
  setText(byId('clock'), instant(world.atMs));
  byId('clock').classList.toggle('past', then !== undefined);
  setText(byId('underway'), `${world.movesUnderWay().length}`);
  showMoves(byId('moves'), world, options);
  showDecisions(byId('decisions'), world, options, decision);
  showSites(byId('sites'), world, options);
  charts.update(world);
  updateFacts(byId('chosen'), chosenOptions());
  const button = byId('pause');
  button.hidden = !(mayAct() || now.paused);
  button.classList.toggle('warn', now.paused);
  const words = mayAct() ? 'Resume automatic moves' : 'Automatic moves are paused';
  setText(button, now.paused ? words : 'Pause automatic moves');
  allowActions();
}

/** Disables the actions while the server does not answer. */
function allowActions(): void {
  for (const one of document.querySelectorAll('[data-acts]')) one.toggleAttribute('disabled', !connected);
  byId('pause').toggleAttribute('disabled', !connected || !mayAct());
}

function isTurn({ phase, outcome }: MoveView): boolean {
  return phase === 'queued' || outcome !== null;
}

function chosenOptions(): ChosenOptions {
  return { world: shown(), chosen, decision, mayAct: mayAct(), live: then === undefined, act, choose };
}

async function explain(): Promise<void> {
  const section = byId('chosen');
  const options = chosenOptions();
  section.dataset.of = selectionKey(options);
  await showChosen(section, options);
  allowActions();
}

function take(line: Line): void {
  now.apply(line, performance.now());
  timeline.update(now);
  if (then === undefined) map.touch();
  show();
  // The reasons change when a move begins or ends.
  if (line.kind === 'picture' || line.moves?.some((move) => move.vm === chosen.vm && isTurn(move))) void explain();
  if (!fitted && now.sites.size > 0) {
    map.fit();
    fitted = true;
  }
}

byId('pause').addEventListener('click', () => act(() => pause(now)));
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
  if (found === undefined) return announce(`No VM and no site has the name "${name}".`);
  field.value = '';
  const site = found.site ?? shown().homes.get(name);
  if (site !== undefined) map.reveal(site);
  void choose(found);
  byId('chosen').focus({ preventScroll: true });
});
document.addEventListener('keydown', (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test((event.target as HTMLElement).tagName);
  if (event.key === '/' && !typing) {
    event.preventDefault();
    field.focus();
  }
  if (event.key === 'Escape' && document.querySelector('dialog[open]') === null) void choose({});
});
setInterval(() => {
  const section = byId('chosen');
  // The panel must not be replaced while it is under the pointer or has the focus.
  if (chosen.vm === undefined || then || decision || section.matches(':hover, :focus-within')) return;
  void explain();
}, EXPLAIN_MS);

map.show(now);
// The benchmark and the tests read the drawn state and the drawing times.
const spotOf = (lat: number, lon: number) => map.spotOf(lat, lon);
Object.assign(globalThis, { tagalong: { now, frameMs: map.frameMs, spotOf } });
