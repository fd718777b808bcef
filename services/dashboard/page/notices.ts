/** What is said above the page for a while, and that the connection is lost for as long as it is. Nothing else moves by it. */
import { timeOfDay } from '#shared/format.ts';
import { byId, say } from './dom.ts';

const SHOWN_MS = 10_000;
let timer: ReturnType<typeof setTimeout> | undefined;

/** One line, which screen readers say, and which goes away. */
export function announce(text: string): void {
  const banner = byId('banner');
  clearTimeout(timer);
  say(banner, text);
  banner.hidden = text === '';
  timer = setTimeout(() => {
    banner.hidden = true;
  }, SHOWN_MS);
}

/** @param sinceMs when the server was last heard of; undefined: it is heard again */
export function showLoss(sinceMs: number | undefined): void {
  const lost = byId('lost');
  lost.hidden = sinceMs === undefined;
  if (sinceMs === undefined) return;
  const shown = 'What is shown is of then; nothing can be ordered. The server is asked again every two seconds.';
  say(lost, `No connection since ${timeOfDay(sinceMs)} UTC. ${shown}`);
}
