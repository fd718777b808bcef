/** The page that shares one's own position, and says where one's VM is. */
import { duration, timeOfDay } from '#shared/format.ts';
import type { MoveView } from '../wire.ts';
import { isSignedIn, Refused, settings } from './api.ts';
import { moveWords } from './chosen.ts';
import { byId, el, keyed, say } from './dom.ts';
import { distanceKm, enrol, type Guest, leave, type Position, report } from './guest.ts';
import { createMap } from './map.ts';
import { createSigning } from './signing.ts';
import { stayConnected } from './stream.ts';
import { createTheme } from './theme.ts';
import { World } from './world.ts';

/** A device may tell its position many times a second. */
const REPORT_MS = 3_000;
/** A user who does not move reports at least so often. */
const REPEAT_MS = 60_000;

const page = await settings();
const world = new World();
const map = createMap(byId('map'), page, () => {});
let guest: Guest | undefined;
let enrolling: Promise<Guest> | undefined;
let position: Position | undefined;
/** The last report, and its time. */
let reported: Position | undefined;
let reportedMs = Number.NEGATIVE_INFINITY;
let watch: number | undefined;

createTheme(byId('theme'), map.repaint);
map.show(world);
const connection = stayConnected(
  (line) => {
    const first = world.sites.size === 0;
    world.apply(line, performance.now());
    map.touch();
    if (first) map.fit();
    if (enrolling === undefined && position !== undefined) void share(position);
    show();
  },
  (sinceMs) => tell(sinceMs === undefined ? '' : 'The server does not answer; it is asked again every two seconds.'),
);
if (page.signIn) createSigning(() => connection.reconnect());

function begin(): void {
  const hindrance = hindranceNow();
  tell(hindrance ?? 'Waiting for a position …');
  if (hindrance !== undefined) return;
  byId('share').hidden = true;
  byId('stop').hidden = false;
  watch = navigator.geolocation.watchPosition(
    ({ coords }) => void share({ lat: coords.latitude, lon: coords.longitude }),
    (error) => {
      tell(error.code === error.PERMISSION_DENIED ? 'The browser was told not to share your position.' : error.message);
      if (error.code === error.PERMISSION_DENIED) void end();
    },
    { enableHighAccuracy: true },
  );
}

/** Why nothing can be shared. */
function hindranceNow(): string | undefined {
  if (page.signIn && !isSignedIn()) return 'Sign in first: this server asks for its token.';
  if (!isSecureContext) return 'This page was not loaded over https: the browser will not tell where you are.';
  return undefined;
}

/** Tells the server, and makes the VM with the first position. */
async function share(at: Position): Promise<void> {
  position = at;
  if (world.sites.size === 0) return;
  try {
    enrolling ??= enrol(world, at);
    guest = await enrolling;
    map.choose({ vm: guest.vm });
    const nowMs = performance.now();
    if (nowMs < reportedMs + REPORT_MS) return;
    reportedMs = nowMs;
    reported = at;
    await report(guest, at);
    tell('');
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    tell(error.message);
    if (guest === undefined) await end();
  }
  show();
}

async function end(): Promise<void> {
  if (watch !== undefined) navigator.geolocation.clearWatch(watch);
  const leaving = guest;
  [watch, guest, enrolling, position, reportedMs] = [
    undefined,
    undefined,
    undefined,
    undefined,
    Number.NEGATIVE_INFINITY,
  ];
  byId('share').hidden = false;
  byId('stop').hidden = true;
  map.choose({});
  show();
  if (leaving === undefined) return;
  await leave(leaving).then(
    () => tell('Your VM is removed.'),
    (error: Error) => tell(error.message),
  );
}

function show(): void {
  byId('figures').hidden = guest === undefined;
  byId('trips').hidden = guest === undefined;
  if (guest === undefined || position === undefined) return;
  const { vm } = guest;
  const home = world.homes.get(vm);
  const site = world.sites.get(home ?? '');
  const trips = [...world.moves.values()].filter((move) => move.vm === vm).reverse();
  const done = trips.filter(({ outcome }) => outcome === 'completed');
  const underWay = world.moveOf(vm);
  say(byId('vm'), vm);
  say(byId('home'), underWay && underWay.to !== home ? `${home}, moving to ${underWay.to}` : (home ?? 'no site yet'));
  say(byId('distance'), site ? `${distanceKm(site, position).toFixed(1)} km` : '');
  const last = done[0];
  say(
    byId('moved'),
    last ? `${done.length} ×, last at ${timeOfDay(last.switchedAtMs ?? last.orderedAtMs)}` : 'not yet',
  );
  keyed(byId('trips'), trips, {
    key: ({ migration }) => migration,
    build: ({ from, to, orderedAtMs }) =>
      el('li', {}, el('time', {}, timeOfDay(orderedAtMs)), ` ${from} → ${to} `, el('small', {})),
    update: (item, move) => say(item.querySelector('small')!, tripWords(move)),
  });
}

function tripWords(move: MoveView): string {
  if (move.outcome !== 'completed') return move.outcome === null ? moveWords(move) : `${move.outcome} ${move.because}`;
  const { durationMs, pauseMs, interruptionMs } = move.figures!;
  return `took ${duration(durationMs)}, pause ${duration(pauseMs)}, interruption ${duration(interruptionMs)}`;
}

function tell(text: string): void {
  say(byId('status'), text);
}

byId('share').addEventListener('click', begin);
byId('stop').addEventListener('click', () => void end());
addEventListener('pagehide', () => {
  if (guest !== undefined) void leave(guest).catch(() => {});
});
setInterval(() => {
  if (guest === undefined || position === undefined) return;
  // Reports a position that came too soon after the last one, and the one of a user who stands still.
  if (position !== reported || performance.now() > reportedMs + REPEAT_MS) void share(position);
}, REPORT_MS / 2);
