import { examine } from '#deploy/doctor/doctor.ts';
import type { Finding, State } from '#deploy/doctor/finding.ts';
import { agentSettings } from '#shared/config/agent.ts';
import { TagalongError } from '#shared/errors.ts';
import { counted } from '#shared/format.ts';
import { styled } from '../output/styled.ts';
import { table } from '../output/table.ts';

/** The options of `tagalong doctor`. */
export interface DoctorOptions {
  readonly config?: string;
  readonly json?: true;
}

const SIGNS: Readonly<Record<State, string>> = {
  ok: styled('green', '✓'),
  wanting: styled('yellow', '!'),
  missing: styled('red', '✗'),
};

/**
 * Checks this host and prints the findings.
 * @throws TagalongError CONFIG_UNREADABLE, CONFIG_INVALID; HOST_UNFIT where something is missing
 */
export async function runDoctor({ config: path, json }: DoctorOptions): Promise<void> {
  const findings = await examine(path === undefined ? undefined : await agentSettings.load(path));
  process.stdout.write(json ? `${JSON.stringify({ findings })}\n` : asTable(findings));
  const missing = findings.filter(({ state }) => state === 'missing');
  if (missing.length === 0) return;
  const names = missing.map(({ what }) => what).join(', ');
  throw new TagalongError(
    'HOST_UNFIT',
    `this host lacks ${counted(missing.length, 'thing')} that an agent needs: ${names}; the table says how to get each`,
  );
}

function asTable(findings: readonly Finding[]): string {
  const rows = findings.map(({ what, state, found }) => [SIGNS[state], what, found]);
  const remedies = findings.flatMap(({ what, state, remedy }) => (remedy ? [[SIGNS[state], what, remedy]] : []));
  const found = table([{ head: '' }, { head: 'what' }, { head: 'found' }], rows);
  if (remedies.length === 0) return found;
  return `${found}\n${table([{ head: '' }, { head: 'what' }, { head: 'how to mend it' }], remedies)}`;
}
