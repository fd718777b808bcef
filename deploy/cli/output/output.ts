/** The files to which a command writes its results. */
import { once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import { TagalongError } from '#shared/errors.ts';
import { type EventType, type Fact, MIGRATION_TYPES } from '#shared/events/index.ts';

/** The permissions of a file that only its owner may read. */
const PRIVATE = 0o600;

/** Event types that `--decisions` writes: every decision, and every migration event. */
export const DECISIONS: readonly EventType[] = ['placement.decided.v1', ...MIGRATION_TYPES];

/** The file of `--decisions`: a JSON object a line. */
export interface DecisionsFile {
  write(policy: string, fact: Fact): void;
  /** Resolves when everything is written. */
  close(): Promise<void>;
}

/**
 * Opens a file for the results of a command. They may contain movements of people: only the owner of the file may read it, also if
 * the file existed before.
 * @throws TagalongError USAGE
 */
export async function openOutput(option: string, path: string): Promise<FileHandle> {
  try {
    const file = await open(path, 'w', PRIVATE);
    // A device such as /dev/null keeps its permissions.
    if ((await file.stat()).isFile()) await file.chmod(PRIVATE);
    return file;
  } catch (cause) {
    const why = (cause as Error).message;
    const message = `${option} ${path}: cannot be written (${why}); name a file in a folder that you may write to`;
    throw new TagalongError('USAGE', message, { cause });
  }
}

/** @throws TagalongError USAGE */
export async function openDecisions(path: string): Promise<DecisionsFile> {
  const stream = (await openOutput('--decisions', path)).createWriteStream();
  return {
    // Writes the fact without its envelope, which says nothing about the decision.
    write: (policy, { type, data }) => void stream.write(`${JSON.stringify({ policy, type, data })}\n`),
    async close() {
      stream.end();
      await once(stream, 'finish');
    },
  };
}
