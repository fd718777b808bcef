/** Asks whether something is really to be done, and says what that will be. */
import { byId, el, fill, say } from './dom.ts';

/** What is asked. */
export interface Question {
  readonly title: string;
  /** What will happen, a paragraph each. */
  readonly consequences: readonly string[];
  /** What the button says that does it. */
  readonly yes: string;
}

/** Resolves with true when somebody says yes. *Cancel* has the focus, so that a second Enter does nothing. */
export function confirmed({ title, consequences, yes }: Question): Promise<boolean> {
  const dialog = byId<HTMLDialogElement>('confirming');
  say(byId('confirming-title'), title);
  fill(byId('consequences'), ...consequences.map((text) => el('p', {}, text)));
  say(byId('yes'), yes);
  dialog.returnValue = '';
  byId('no').onclick = () => dialog.close('');
  dialog.showModal();
  byId('no').focus();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}
