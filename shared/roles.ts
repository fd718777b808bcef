/** The roles of callers, and which roles may use a route. */

/** A device reports for one user. A viewer reads, an operator also gives orders, an admin may do everything. */
export const ROLES = ['device', 'viewer', 'operator', 'admin'] as const;
/** The role of a caller. */
export type Role = (typeof ROLES)[number];

/** The roles that may use a route, by the access that the route declares. */
export const ACCESS = {
  /** For everybody, also without a token. */
  open: ROLES,
  /** For every valid token. The route itself limits a device to the VMs of its user. */
  'signed-in': ROLES,
  /** Reports positions and gaps, and exports what is kept about a user. The route itself limits a device to its user. */
  report: ['device', 'admin'],
  /** Reads the state of the installation. */
  read: ['viewer', 'operator', 'admin'],
  /** Moves VMs, drains sites, pauses and cancels. */
  operate: ['operator', 'admin'],
  /** Declares and removes VMs, sessions, sites and tokens; reads the audit; erases users. */
  administer: ['admin'],
} as const satisfies Readonly<Record<string, readonly Role[]>>;
/** The access that a route declares. */
export type Access = keyof typeof ACCESS;

/** True if a caller with this role may use a route. @param role undefined: the caller's token gives no role */
export function mayUse(role: Role | undefined, access: Access): boolean {
  return role !== undefined && (ACCESS[access] as readonly Role[]).includes(role);
}

/** Gives a role to each person whose token has a claim with this value. */
export interface RoleRule {
  readonly claim: string;
  readonly value: string;
  readonly role: Role;
}

/**
 * The highest role that the claims of an access token give; undefined if they give none. The value of a claim is a text, a list of
 * texts, or texts with blanks between them (`scope`, RFC 8693).
 */
export function roleOf(claims: Readonly<Record<string, unknown>>, rules: readonly RoleRule[]): Role | undefined {
  const given = rules.filter(({ claim, value }) => valuesOf(claims, claim).includes(value)).map(({ role }) => role);
  return ROLES.findLast((role) => given.includes(role));
}

/** @param claim its name, or the path to it with dots between the names: `realm_access.roles` */
function valuesOf(claims: Readonly<Record<string, unknown>>, claim: string): readonly unknown[] {
  const path = Object.hasOwn(claims, claim) ? [claim] : claim.split('.');
  const found = path.reduce<unknown>(
    (at, name) => (isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined),
    claims,
  );
  if (typeof found === 'string') return [found, ...found.split(' ')];
  return Array.isArray(found) ? found : [];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
