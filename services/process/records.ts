/** All kinds of records: what is in the store, and in the files of an agent. */

import { MIGRATION_RECORD } from '#shared/migration/kept.ts';
import { VM_RECORD } from '#shared/policy/state/kept-vm.ts';
import type { AnyKind } from '#shared/store/records.ts';
import { INSTANCE_RECORD, KEPT_DISK_RECORD } from '../agent/kinds.ts';
import { DEAD_LETTER_RECORD } from '../dead-letters/records.ts';
import { SESSIONS_RECORD } from '../ingest/attachments.ts';
import { DECLARED_VM_RECORD } from '../ingest/vm-record.ts';
import { AUTOMATION_RECORD } from '../placement/automation.ts';
import { CORRECTION_RECORD } from '../placement/corrections.ts';
import { STAYS_RECORD } from '../placement/stays.ts';
import { INSTALLATION_RECORD } from '../runtime/installation.ts';
import { TOKEN_RECORD } from '../runtime/tokens.ts';
import { DRAIN_RECORD, PLACE_RECORD } from '../sites/place-records.ts';
import { DECLARED_SITE_RECORD } from '../sites/records.ts';

/** In the store. */
export const STORE_KINDS: readonly AnyKind[] = [
  VM_RECORD,
  CORRECTION_RECORD,
  STAYS_RECORD,
  AUTOMATION_RECORD,
  MIGRATION_RECORD,
  DRAIN_RECORD,
  PLACE_RECORD,
  DECLARED_VM_RECORD,
  DECLARED_SITE_RECORD,
  SESSIONS_RECORD,
  DEAD_LETTER_RECORD,
  INSTALLATION_RECORD,
  TOKEN_RECORD,
];

/** In the files of an agent. */
export const AGENT_KINDS: readonly AnyKind[] = [INSTANCE_RECORD, KEPT_DISK_RECORD];
