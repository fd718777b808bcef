/** The page that shares the viewer's position, and shows the site of the viewer's VM. */
import { duration, timeOfDay } from '#shared/format.ts';
import type { MoveView } from '../wire.ts';
import { Refused, settings, signedIn } from './api.ts';
import { moveWords } from './chosen.ts';
import { byId, el, keyed, setText } from './dom.ts';
import { distanceKm, enrol, type Guest, leave, type Position, report } from './guest.ts';
import { createMap } from './map.ts';
import { createSigning } from './signing.ts';
import { stayConnected } from './stream.ts';
import { createTheme } from './theme.ts';
import { World } from './world.ts';

/** The shortest time between two reports. A device may give its position many times a second. */
const REPORT_MS = 3_000;
/** The longest time between two reports, for a user who does not move. */
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

createTheme(byId('theme'), () => map.repaint());
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
  (sinceMs) =>
    showStatus(sinceMs === undefined ? '' : 'The server does not answer. The page tries again every two seconds.'),
);
if (page.signIn) createSigning(() => connection.reconnect());

function begin(): void {
  const hindrance = hindranceNow();
  showStatus(hindrance ?? 'Waiting for a position …');
  if (hindrance !== undefined) return;
  byId('share').hidden = true;
  byId('stop').hidden = false;
  watch = navigator.geolocation.watchPosition(
    ({ coords }) => void share({ lat: coords.latitude, lon: coords.longitude }),
    (error) => {
      showStatus(
        error.code === error.PERMISSION_DENIED
          ? 'The browser has no permission to share your position.'
          : error.message,
      );
      if (error.code === error.PERMISSION_DENIED) void end();
    },
    { enableHighAccuracy: true },
  );
}

/** Why the position cannot be shared; undefined if it can. */
function hindranceNow(): string | undefined {
  if (page.signIn && signedIn() === undefined) return 'Sign in first: this server requires a token.';
  if (!isSecureContext)
    return 'Load this page over https: browsers do not share positions with pages that were loaded over http.';
  return undefined;
}

/** Reports a position. The first position creates the VM. */
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
    showStatus('');
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    showStatus(error.message);
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
    () => showStatus('Your VM is removed.'),
    (error: Error) => showStatus(error.message),
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
  setText(byId('vm'), vm);
  setText(
    byId('home'),
    underWay && underWay.to !== home ? `${home}, moving to ${underWay.to}` : (home ?? 'no site yet'),
  );
  setText(byId('distance'), site ? `${distanceKm(site, position).toFixed(1)} km` : '');
  const last = done[0];
  setText(
    byId('moved'),
    last ? `${done.length} ×, last at ${timeOfDay(last.switchedAtMs ?? last.orderedAtMs)}` : 'none so far',
  );
  keyed(byId('trips'), trips, {
    key: ({ migration }) => migration,
    build: ({ from, to, orderedAtMs }) =>
      el('li', {}, el('time', {}, timeOfDay(orderedAtMs)), ` ${from} → ${to} `, el('small', {})),
    update: (item, move) => setText(item.querySelector('small')!, tripWords(move)),
  });
}

function tripWords(move: MoveView): string {
  if (move.outcome !== 'completed') return move.outcome === null ? moveWords(move) : `${move.outcome} ${move.because}`;
  const { durationMs, pauseMs, interruptionMs } = move.figures!;
  return `took ${duration(durationMs)}, pause ${duration(pauseMs)}, interruption ${duration(interruptionMs)}`;
}

function showStatus(text: string): void {
  setText(byId('status'), text);
}

byId('share').addEventListener('click', begin);
byId('stop').addEventListener('click', () => void end());
addEventListener('pagehide', () => {
  if (guest !== undefined) void leave(guest).catch(() => {});
});
setInterval(() => {
  if (guest === undefined || position === undefined) return;
  // Reports a position that came too soon after the last report, and repeats that of a user who stands still.
  if (position !== reported || performance.now() > reportedMs + REPEAT_MS) void share(position);
}, REPORT_MS / 2);
