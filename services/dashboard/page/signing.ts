/** The button and the dialog for signing in and out. */
import { Refused, signedIn, signIn, signOut } from './api.ts';
import { byId, setText } from './dom.ts';

/** Sets up the button and the dialog. @param changed called when the viewer has signed in or out */
export function createSigning(changed: () => void): void {
  const button = byId<HTMLButtonElement>('sign');
  const dialog = byId<HTMLDialogElement>('signing');
  const field = byId<HTMLInputElement>('token');
  const wrong = byId('wrong');
  button.hidden = false;

  button.addEventListener('click', () => {
    if (signedIn() === undefined) return dialog.showModal();
    signOut();
    button.title = '';
    setText(button, 'Sign in');
    changed();
  });
  byId('leave').addEventListener('click', () => dialog.close());
  dialog.querySelector('form')!.addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      await signIn(field.value);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return setText(wrong, error.code === 'UNAUTHORIZED' ? 'The server does not accept this token.' : error.message);
    }
    dialog.close();
    setText(button, 'Sign out');
    const { name, role } = signedIn()!;
    button.title = `Signed in as ${name} (${role})`;
    changed();
  });
  dialog.addEventListener('close', () => {
    field.value = '';
    setText(wrong, '');
  });
}
