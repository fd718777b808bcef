/** Carries out `tagalong init`: the shipped example as a configuration of one's own, with fresh secrets. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseConfig } from '#shared/config/load.ts';
import { isLoopback } from '#shared/config/loopback.ts';
import { TagalongError } from '#shared/errors.ts';
import { freshSecret, SECRET_FILES, writePrivately } from './fresh-secrets.ts';

/** The options of `tagalong init`. */
export interface InitOptions {
  readonly host: string;
  readonly bus?: string;
  readonly secrets?: true;
}

const EXAMPLE = new URL('../../tagalong.example.yaml', import.meta.url);
const CONFIGURATION = 'tagalong.yaml';

/**
 * Writes the files, and prints the next steps.
 * @throws TagalongError FILE_EXISTS; USAGE if an option does not fit
 */
export async function runInit(folder: string, { host, bus, secrets: isSecretsOnly }: InitOptions): Promise<void> {
  const secrets = {
    [SECRET_FILES.adminToken]: `${freshSecret()}\n`,
    [SECRET_FILES.pseudonymKey]: `${freshSecret()}\n`,
  };
  if (isSecretsOnly) {
    const paths = await writePrivately(folder, secrets);
    process.stdout.write(`${written(paths)}\n`);
    return;
  }
  const text = configurationOf(await readFile(EXAMPLE, 'utf8'), host, bus);
  refuseUnfit(text);
  const paths = await writePrivately(folder, { [CONFIGURATION]: text, ...secrets });
  process.stdout.write(`${written(paths)}\n\n${nextSteps(folder, host)}`);
}

/**
 * The text of the example as a configuration.
 * @param example the text of deploy/tagalong.example.yaml
 * @param bus the URL of bus and store; undefined: memory
 */
export function configurationOf(example: string, host: string, bus: string | undefined): string {
  const replace = (text: string, line: RegExp, by: string) => {
    if (!line.test(text)) throw new Error(`the example has no line ${line}`);
    return text.replace(line, () => by);
  };
  let text = replace(example, /^(#.*\n)*\n/, HEAD);
  text = replace(text, /^ {2}host: 127\.0\.0\.1$/m, `  host: ${JSON.stringify(host)}`);
  text = replace(text, /^ {2}token: replace-me.*$/m, `  token: { file: ${SECRET_FILES.adminToken} }`);
  text = replace(text, /^ {2}pseudonymKey: replace-me.*$/m, `  pseudonymKey: { file: ${SECRET_FILES.pseudonymKey} }`);
  return bus === undefined ? text : replace(text, /^ {2}url: 'memory:'$/gm, `  url: ${JSON.stringify(bus)}`);
}

const HEAD = `# The configuration of this installation. It names all keys. The values under "sites" and "vms" are an example: replace them.
# Every other value is the default, and you may leave its key out. Keys without a default are commented out by a # without a blank.
# The names contain the units: Ms is milliseconds, Bps bytes a second, Bytes bytes. Wherever a secret belongs, { file: PATH } names a
# file (a relative path starts at the folder of this file), and { env: NAME } a variable of the environment.

`;

/** @throws TagalongError USAGE */
function refuseUnfit(text: string): void {
  const known = text.replaceAll(/\{ file: [\w.]+ \}/g, () => freshSecret());
  try {
    parseConfig(known, CONFIGURATION);
  } catch (cause) {
    throw new TagalongError('USAGE', `an option does not fit: ${(cause as Error).message}`, { cause });
  }
}

function written(paths: readonly string[]): string {
  return `Written, readable for you alone: ${paths.join(', ')}`;
}

/** The program as its user types it: in a clone the sources run. */
const PROGRAM = import.meta.url.endsWith('.ts') ? 'npx tagalong' : 'tagalong';

function nextSteps(folder: string, host: string): string {
  const [config, token] = [CONFIGURATION, SECRET_FILES.adminToken].map((name) => join(folder, name));
  const at = isLoopback(host) || host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  const url = `http://${at.includes(':') ? `[${at}]` : at}:8080`;
  return `1. Replace the sites and VMs at the end of ${config} by your own; or try the example first.
2. Start it. Ctrl-C ends it:

   ${PROGRAM} up --config ${config}

3. In another terminal, ask it, and give a phone and a person tokens of their own:

   export TAGALONG_URL=${url}
   ${PROGRAM} status --token-file ${token}
   ${PROGRAM} token create --role device --user alice --token-file ${token}
   ${PROGRAM} token create --role operator --token-file ${token}

The dashboard is at ${url}: sign in there with the operator's token.
`;
}
