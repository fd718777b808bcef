/** Carries out `tagalong audit`. */
import { realClock } from '#shared/clock/real.ts';
import type { RequestAudited } from '#shared/events/audit-type.ts';
import { instant } from '#shared/format.ts';
import { table } from '../output/table.ts';
import { ask, type ServerOptions } from './client.ts';

/** The options of `tagalong audit`. */
export interface AuditOptions extends ServerOptions {
  /** How far back, in milliseconds. */
  readonly since: number;
  readonly who?: string;
  readonly on?: string;
}

/** Prints the records of the audit. @throws TagalongError the errors of `ask` */
export async function runAudit({ since, who, on, ...options }: AuditOptions): Promise<void> {
  const query = new URLSearchParams({
    sinceMs: `${Math.max(0, Math.round(realClock().now() - since))}`,
    ...(who && { who }),
    ...(on && { on }),
  });
  const answer = await ask<{ readonly records: readonly RequestAudited[] }>(options, 'GET', `/v1/audit?${query}`);
  process.stdout.write(options.json ? `${JSON.stringify(answer)}\n` : auditTable(answer.records));
}

function auditTable(records: readonly RequestAudited[]): string {
  if (records.length === 0) return 'There are no records.\n';
  const heads = ['time', 'who', 'role', 'from', 'what', 'on', 'with', 'outcome'];
  const rows = records.map(({ atMs, who, role, from, what, on, with: told, outcome, status, leftOut }) =>
    leftOut === undefined
      ? [instant(atMs), who, role, from, what, listed(on), listed(told), `${outcome} (${status})`]
      : [instant(atMs), who, role, '', `${leftOut} further requests without a record`, '', '', outcome],
  );
  return table(
    heads.map((head) => ({ head })),
    rows,
  );
}

/** `site east, draining true` */
function listed(named: Readonly<Record<string, string>>): string {
  return Object.entries(named)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}
