/** The tokens of the configuration, which a process takes up again when their files change. */
import { isDeepStrictEqual } from 'node:util';
import { loadConfigWithFiles } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Loaded } from '#shared/config/settings.ts';
import { asksForTokens, type HttpTokens } from '#shared/config/sign-in.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { watchFiles } from './watched-files.ts';

/** The tokens of the configuration as its files have them. */
export interface FollowedTokens {
  /** The same object until the files change. */
  current(): HttpTokens;
  close(): void;
}

/**
 * Reads a configuration again whenever it, or a file of its secrets, changes, and takes `http.token` and `http.tokens` from it. A
 * configuration that is wrong changes nothing, and is read again each second until it is right. No change opens a server that asks for tokens, or closes an open one.
 * @param path the file of the configuration
 * @param loaded what was read from it
 */
export function followTokens(path: string, loaded: Loaded<Config>, parent: Log): FollowedTokens {
  const log = serviceLog(parent, 'http');
  let files: readonly string[] = [];
  let current: HttpTokens = loaded.value.http;
  const wasAsking = asksForTokens(loaded.value.http);
  const read = async () => {
    const { value, files: now } = await loadConfigWithFiles(path);
    if (asksForTokens(value.http) !== wasAsking)
      throw new Error('only a restart changes whether requests need a token');
    files = now;
    if (isDeepStrictEqual(tokensOf(value.http), tokensOf(current))) return;
    current = value.http;
    log.info({ names: value.http.tokens.map(({ name }) => name) }, 'the tokens of the configuration were read again');
  };
  const close = watchFiles(
    () => files,
    read,
    (err) => log.error({ err }, 'the changed configuration is not used: the tokens stay as they were; mend it'),
  );
  // The first look, which has begun, has no files. So the second one reads them: they may have changed since `loaded` was read.
  files = loaded.files;
  return { current: () => current, close };
}

function tokensOf({ token, tokens }: HttpTokens): Pick<HttpTokens, 'token' | 'tokens'> {
  return { token, tokens };
}
