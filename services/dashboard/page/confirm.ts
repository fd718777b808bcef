/** Asks the operator to confirm an action, and lists its consequences. */
import { byId, el, fill, setText } from './dom.ts';

/** The content of the dialog. */
export interface Question {
  readonly title: string;
  /** The consequences, one paragraph each. */
  readonly consequences: readonly string[];
  /** The label of the button that confirms. */
  readonly yes: string;
}

/** Asks the operator. Resolves with true if the operator confirms. *Cancel* has the focus, so a second Enter does nothing. */
export function confirmed({ title, consequences, yes }: Question): Promise<boolean> {
  const dialog = byId<HTMLDialogElement>('confirming');
  setText(byId('confirming-title'), title);
  fill(byId('consequences'), ...consequences.map((text) => el('p', {}, text)));
  setText(byId('yes'), yes);
  dialog.returnValue = '';
  byId('no').onclick = () => dialog.close('');
  dialog.showModal();
  byId('no').focus();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}
