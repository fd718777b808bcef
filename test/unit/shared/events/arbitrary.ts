/** Draws random payloads from our JSON Schemas, and damages them at random. */
import fc from 'fast-check';

/** The keywords of our schemas that limit the values. */
export interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
}

/** Payloads that fit the schema. */
export function fitting(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map(fitting));
  switch (schema.type) {
    case 'string':
      return schema.pattern
        ? fc.stringMatching(new RegExp(schema.pattern)).filter((s) => s.length <= (schema.maxLength ?? Infinity))
        : fc.string({ minLength: schema.minLength ?? 0, maxLength: schema.maxLength ?? 64 });
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.integer({ min: schema.minimum ?? -1e9, max: schema.maximum ?? 1e9 });
    case 'number': {
      const min = schema.exclusiveMinimum ?? schema.minimum ?? -1e12;
      const excluded = schema.exclusiveMinimum !== undefined;
      // JSON does not distinguish minus zero from zero.
      return fc
        .double({ min, minExcluded: excluded, max: schema.maximum ?? 1e12, noNaN: true })
        .map((number) => number + 0);
    }
    case 'array':
      return fc.array(fitting(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(4, schema.maxItems ?? 4),
      });
    case 'object':
      return object(schema);
    default:
      return fc.jsonValue();
  }
}

function object(schema: Schema): fc.Arbitrary<unknown> {
  const values = Object.values(schema.patternProperties ?? {})[0];
  if (values)
    return fc.dictionary(fc.stringMatching(/^[a-z~/]{1,8}$/), fitting(values), { maxKeys: schema.maxProperties ?? 8 });
  const members = Object.entries(schema.properties ?? {}).map(([key, member]) => [key, fitting(member)] as const);
  const model: Record<string, fc.Arbitrary<unknown>> = Object.fromEntries(members);
  return fc.record(model, { requiredKeys: [...(schema.required ?? [])], noNullPrototype: true });
}

/** Removes a key, adds one, or replaces a value. The result may still fit its schema. */
export function damaged(payload: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const change = fc.record({
    kind: fc.constantFrom('remove' as const, 'add' as const, 'replace' as const),
    place: fc.nat(),
    value: fc.oneof(
      fc.jsonValue(),
      fc.constantFrom<unknown>(0, -1, 0.5, 1e300, -0.001, '', ' ', 'a'.repeat(129), '-a', null, [], {}, 'move'),
    ),
  });
  return fc.tuple(payload, change).map(([original, { kind, place, value }]) => {
    const copy = structuredClone(original);
    const places = placesIn(copy);
    const chosen = places[place % places.length];
    if (chosen === undefined) return value;
    const [parent, key] = chosen;
    if (kind === 'replace') parent[key] = value;
    else if (kind === 'add') parent[Array.isArray(parent) ? parent.length : 'surplus'] = value;
    else if (Array.isArray(parent)) parent.pop();
    else delete parent[key];
    return copy;
  });
}

type Parent = Record<string | number, unknown>;

function placesIn(value: unknown): [Parent, string][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => [
    [value as Parent, key] as [Parent, string],
    ...placesIn(member),
  ]);
}
