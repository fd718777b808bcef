/**
 * The holder of a certificate of Tagalong's authority. Its subject says who that is: the organizational unit (OU) is the role, the
 * common name (CN) is the name. Subject alternative names do not count: they are addresses.
 */

/** `control` gives orders to agents; `site` is the agent of one site, and the QEMUs that it owns. */
export type Role = 'control' | 'site';

/** The holder of a certificate. */
export interface Holder {
  readonly role: Role;
  readonly name: string;
}

/** The members of a subject, as Node's `getPeerCertificate` gives them: a repeated member is a list. */
export type Subject = Readonly<Record<string, string | string[] | undefined>>;

const ROLES: readonly string[] = ['control', 'site'] satisfies Role[];

/** Reads the holder from a subject; undefined where it has no role or no name, or more than one. */
export function holderOf(subject: Subject | undefined): Holder | undefined {
  const { OU: role, CN: name } = subject ?? {};
  if (typeof role !== 'string' || typeof name !== 'string' || !ROLES.includes(role)) return undefined;
  return { role: role as Role, name };
}

/** The distinguished name of a site's certificate as QEMU compares it: in the order of the certificate (GnuTLS `get_dn`). */
export function distinguishedName(site: string): string {
  // The only character of a site's name that is escaped there.
  return `OU=site,CN=${site.replaceAll('+', '\\+')}`;
}
