/** Notices above the page: a message for ten seconds, and a warning while the connection is lost. They do not shift the page. */
import { timeOfDay } from '#shared/format.ts';
import { byId, setText } from './dom.ts';

const SHOWN_MS = 10_000;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Shows a message for ten seconds. Screen readers read it aloud. */
export function announce(text: string): void {
  const banner = byId('banner');
  clearTimeout(timer);
  setText(banner, text);
  banner.hidden = text === '';
  timer = setTimeout(() => {
    banner.hidden = true;
  }, SHOWN_MS);
}

/** Shows or hides the warning. @param sinceMs the time of the last line from the server; undefined when it answers again */
export function showLoss(sinceMs: number | undefined): void {
  const lost = byId('lost');
  lost.hidden = sinceMs === undefined;
  if (sinceMs === undefined) return;
  const shown = 'The page shows the state of that time, and actions are disabled. It tries again every two seconds.';
  setText(lost, `No connection since ${timeOfDay(sinceMs)} UTC. ${shown}`);
}
