/** Files that a process reads again when they change: certificates, tokens. */
import { stat } from 'node:fs/promises';

const LOOK_MS = 1_000;

/**
 * Looks for changes of files once a second, by their identity, size and time of change. Also a file that was replaced, and a link that
 * leads elsewhere, has changed.
 * @param paths asked before each look
 * @param changed reads the files. After an error it is called again at each look until it succeeds: the cause may be another file
 * @param failed gets the error of `changed`, once until the files or the error change
 * @returns a function that ends it
 */
export function watchFiles(
  paths: () => readonly string[],
  changed: () => Promise<void>,
  failed: (error: unknown) => void,
): () => void {
  let known: string | undefined;
  let isLooking = false;
  let fault: string | undefined;
  const look = async () => {
    const now = await identityOf(paths());
    if (known === undefined) known = now;
    if (now === known && fault === undefined) return;
    known = now;
    try {
      await changed();
      fault = undefined;
    } catch (error) {
      const same = fault;
      fault = `${now}: ${error}`;
      if (fault !== same) failed(error);
    }
  };
  const lookOnce = () => {
    if (isLooking) return;
    isLooking = true;
    void look().finally(() => {
      isLooking = false;
    });
  };
  const timer = setInterval(lookOnce, LOOK_MS);
  timer.unref();
  lookOnce();
  return () => clearInterval(timer);
}

async function identityOf(paths: readonly string[]): Promise<string> {
  const all = await Promise.all(paths.map((path) => stat(path, { bigint: true }).catch(() => undefined)));
  return all.map((file) => (file ? `${file.dev}.${file.ino}.${file.size}.${file.mtimeNs}` : 'none')).join(' ');
}
