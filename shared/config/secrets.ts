/**
 * Secrets in files and in the environment. Wherever the schema marks a text as a secret (`writeOnly`), a configuration may have
 * `{ file: PATH }` or `{ env: NAME }` in its place. A relative path starts at the folder of the configuration.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { TSchema } from 'typebox';
import type { Fault } from './faults.ts';
import { isPlaceholder } from './weak-secrets.ts';

/** Where the secrets of a configuration came from. */
export interface Origins {
  /** The absolute paths of the files. */
  readonly files: readonly string[];
  /** True if the configuration itself contains a secret. A placeholder of our examples is none. */
  readonly isInline: boolean;
}

/** The part of a schema that leads to secrets; undefined where it has none. */
type Places = { readonly in: ReadonlyMap<string, Places> } | { readonly each: Places } | 'secret' | undefined;

/**
 * Makes the function that replaces references to secrets, in place.
 * @param schema its secrets are `writeOnly`
 */
export function secretReader(schema: TSchema): (value: unknown, folder: string) => Origins & { faults: Fault[] } {
  const places = placesOf(schema as Rule);
  return (value, folder) => {
    const files: string[] = [];
    const faults: Fault[] = [];
    let isInline = false;
    const read = (place: Places, given: unknown, path: readonly string[]): unknown => {
      if (place === undefined || given === undefined || given === null) return given;
      if (place === 'secret') {
        const source = sourceOf(given);
        if (source === undefined) {
          isInline ||= typeof given === 'string' && !isPlaceholder(given);
          return given;
        }
        try {
          return source.read(folder, files);
        } catch (error) {
          faults.push({ path, message: (error as Error).message, code: 'CONFIG_UNREADABLE' });
          return given;
        }
      }
      if ('each' in place) {
        return Array.isArray(given) ? given.map((one, i) => read(place.each, one, [...path, `${i}`])) : given;
      }
      if (typeof given !== 'object' || Array.isArray(given)) return given;
      const entries = given as Record<string, unknown>;
      for (const [key, inside] of place.in) {
        if (Object.hasOwn(entries, key)) entries[key] = read(inside, entries[key], [...path, key]);
      }
      return entries;
    };
    read(places, value, []);
    return { files, isInline, faults };
  };
}

interface Rule {
  readonly writeOnly?: boolean;
  readonly properties?: Readonly<Record<string, Rule>>;
  readonly items?: Rule;
}

function placesOf({ writeOnly, properties, items }: Rule): Places {
  if (writeOnly) return 'secret';
  if (items !== undefined) {
    const each = placesOf(items);
    return each && { each };
  }
  const inside = Object.entries(properties ?? {}).flatMap(([key, rule]) => {
    const place = placesOf(rule);
    return place === undefined ? [] : [[key, place] as const];
  });
  return inside.length === 0 ? undefined : { in: new Map(inside) };
}

interface Source {
  /** @throws Error with what is wrong, and the next step */
  read(folder: string, files: string[]): string;
}

/** The source that `{ file: PATH }` or `{ env: NAME }` names; undefined for any other value, which the schema judges. */
function sourceOf(given: unknown): Source | undefined {
  if (typeof given !== 'object' || given === null) return undefined;
  const [[kind, name] = [], ...others] = Object.entries(given);
  if (typeof name !== 'string' || name === '' || others.length > 0) return undefined;
  if (kind === 'env') return { read: () => fromEnvironment(name) };
  if (kind === 'file') return { read: (folder, files) => fromFile(resolve(folder, name), files) };
  return undefined;
}

function fromEnvironment(name: string): string {
  const { [name]: text } = process.env;
  if (!text) throw new Error(`the environment has no ${name}; set it, or name a file: { file: PATH }`);
  return text;
}

/** White space around the text in the file is not part of the secret: editors and `echo` end the line. */
function fromFile(path: string, files: string[]): string {
  files.push(path);
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const right = '"tagalong init FOLDER --secrets" writes fresh ones';
    throw new Error(`the file of this secret, ${path}, cannot be read (${code}); ${right}`, { cause });
  }
}
