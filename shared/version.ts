/** The version and the commit of this program. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Folder of the checkout, or of the build in the npm package. Ends in a slash. */
const ROOT = new URL('../', import.meta.url).pathname;
const MANIFEST = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as {
  readonly version: string;
  /** Only in the npm package, where the build writes it. */
  readonly commit?: string;
};

/** The version of package.json. */
export const VERSION = MANIFEST.version;

/** True in a checkout, whose sources run without a build; false in the npm package. */
export const IS_CHECKOUT = import.meta.url.endsWith('.ts');

/** The version, followed by the commit in parentheses if it is known. */
export function versionText(): string {
  const commit = IS_CHECKOUT ? commitOf(ROOT) : MANIFEST.commit;
  return commit === undefined ? VERSION : `${VERSION} (${commit})`;
}

/**
 * The commit of a checkout, shortened, with `-dirty` where files differ from it.
 * @returns undefined if the folder is no checkout, or git is missing
 */
export function commitOf(folder: string): string | undefined {
  try {
    // A folder without its own history may lie inside another project's checkout, whose commit would be wrong.
    const args = ['-C', folder, 'describe', '--always', '--dirty', '--exclude', '*'];
    const top = git(['-C', folder, 'rev-parse', '--show-prefix']);
    return top === '' ? git(args) : undefined;
  } catch {
    return undefined;
  }
}

function git(args: readonly string[]): string {
  return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
}
