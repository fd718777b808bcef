/** Collects the records that processes have set aside, for `tagalong status`. */
import { counted, instant } from '#shared/format.ts';
import type { SetAsideRecord } from '#shared/store/set-aside.ts';
import { table } from '../output/table.ts';
import { askEach, type ServerOptions } from './client.ts';

/** The records that the processes have set aside, each once; empty if no process answers. */
export async function setAsideOf(options: ServerOptions): Promise<SetAsideRecord[]> {
  // Older versions of the services have no such list.
  const { answers } = await askEach<{ readonly setAside: readonly SetAsideRecord[] }>(options, '/v1/set-aside');
  return [...new Map(answers.flatMap(({ setAside }) => setAside).map((record) => [record.key, record])).values()];
}

/** A table of the set-aside records; empty if there are none. */
export function setAsideTable(records: readonly SetAsideRecord[]): string {
  if (records.length === 0) return '';
  const rows = records.map(({ kind, key, code, reason, sinceMs }) => [kind, key, code, instant(sinceMs), reason]);
  const head = [{ head: 'kind' }, { head: 'record' }, { head: 'code' }, { head: 'since' }, { head: 'why' }];
  const what = `${counted(records.length, 'record')} set aside, everything else goes on; deploy/UPGRADE.md says what to do:`;
  return `\n${what}\n${table(head, rows)}`;
}
