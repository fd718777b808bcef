/** Describes where a configuration does not fit its schema: `what is wrong; what would be right`. */
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { ErrorCode } from '../errors.ts';
import { nearest } from './nearest.ts';

/** One fault, and the key that has it. */
export interface Fault {
  readonly path: readonly string[];
  readonly message: string;
  /** The error code of this fault. @default the code of the file's kind */
  readonly code?: ErrorCode;
}

/** The part of JSON Schema that the configuration uses. */
interface Rule {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Rule>>;
  readonly items?: Rule;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly writeOnly?: boolean;
}

/**
 * Makes the check of a schema.
 * @returns a function that lists the faults of a value; the list is empty if the value fits
 */
export function schemaFaults(schema: TSchema): (value: unknown) => Fault[] {
  const validator = Compile(schema);
  return (value) => {
    if (validator.Check(value)) return [];
    return [...validator.Errors(value)].flatMap((error): Fault[] => {
      const path = error.instancePath.split('/').slice(1).map(unescapePointer);
      const rule = ruleAt(schema, path);
      // The validator reports an unknown key twice. The report of its parent contains the key's name.
      if (rule === undefined) return [];
      const params = error.params as { additionalProperties?: string[]; requiredProperties?: string[] };
      if (params.additionalProperties) {
        return params.additionalProperties.map((key) => ({ path: [...path, key], message: unknownKey(key, rule) }));
      }
      if (params.requiredProperties) {
        return params.requiredProperties.map((key) => ({
          path: [...path, key],
          message: `is missing; give ${expectation(rule.properties?.[key] ?? {})}`,
        }));
      }
      return [{ path, message: `${finding(rule, valueAt(value, path))}; give ${expectation(rule)}` }];
    });
  };
}

function unknownKey(key: string, rule: Rule): string {
  const known = Object.keys(rule.properties ?? {});
  const near = nearest(key, known);
  return near === undefined ? `unknown key; known are ${known.join(', ')}` : `unknown key; did you mean ${near}?`;
}

/** Describes the names that events accept. */
export const NAME = 'a name of letters, digits and . _ : @ + -, at most 128 characters';

/** Describes the values that a rule accepts. */
function expectation(rule: Rule): string {
  if (rule.enum) return rule.enum.length === 1 ? `${rule.enum[0]}` : `one of ${rule.enum.join(', ')}`;
  switch (rule.type) {
    case 'object':
      return `a section with ${Object.keys(rule.properties ?? {}).join(', ')}`;
    case 'array':
      return rule.minItems === undefined ? 'a list' : `a list of ${rule.minItems} to ${rule.maxItems} entries`;
    case 'boolean':
      return 'true or false';
    case 'string': {
      const text = `a text of ${rule.minLength ?? 0} to ${rule.maxLength ?? 'any number of'} characters`;
      if (rule.writeOnly) return `${text}, { file: PATH } or { env: NAME }`;
      return rule.pattern ? NAME : text;
    }
    default: {
      const least = rule.exclusiveMinimum === undefined ? `from ${rule.minimum}` : `above ${rule.exclusiveMinimum}`;
      const most = rule.maximum === undefined ? '' : ` to ${rule.maximum}`;
      return `${rule.type === 'integer' ? 'an integer' : 'a number'} ${least}${most}`;
    }
  }
}

/** Describes the value that was given, without the text of a secret. */
function finding(rule: Rule, value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'is an empty list' : 'is a list';
  if (typeof value === 'object' && value !== null) return 'is a section';
  if (rule.writeOnly) return typeof value === 'string' ? `has ${value.length} characters` : 'is not a text';
  if (value === null || value === undefined) return 'is empty';
  // JSON.stringify turns the numbers that YAML calls .inf and .nan into null.
  const text = typeof value === 'number' ? `${value}` : JSON.stringify(value);
  return `is ${text.length > 60 ? `${text.slice(0, 57)}…` : text}`;
}

function ruleAt(schema: TSchema, path: readonly string[]): Rule | undefined {
  let rule: Rule | undefined = schema as Rule;
  for (const key of path) {
    rule = rule.items ?? (Object.hasOwn(rule.properties ?? {}, key) ? rule.properties?.[key] : undefined);
    if (rule === undefined) return undefined;
  }
  return rule;
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], value);
}

function unescapePointer(key: string): string {
  return key.replaceAll('~1', '/').replaceAll('~0', '~');
}
