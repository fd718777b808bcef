/** Asks the operator to confirm an action, and lists its consequences. */
import { byId, el, fill, say } from './dom.ts';

/** The question. */
export interface Question {
  readonly title: string;
  /** The consequences, a paragraph each. */
  readonly consequences: readonly string[];
  /** The label of the button that does it. */
  readonly yes: string;
}

/** Resolves with true when the operator agrees. *Cancel* has the focus, so that a second Enter does nothing. */
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
