/**
 * QEMU's report of a migration (`query-migrate`, see QEMU's qapi/migration.json). Both ends are asked here alone. Whatever
 * QEMU says is bounded first: a QEMU that its guest has taken over may harm its own VM and no other.
 */
import { TagalongError } from '#shared/errors.ts';
import { foreignText } from '#shared/text.ts';
import { isRunning, type Qmp } from './qmp.ts';

/** The members of QEMU's `MigrationInfo` that are used. */
export interface MigrateInfo {
  /** QEMU's `MigrationStatus`, such as `active` or `completed`; missing before the first migration. */
  readonly status?: string;
  readonly ram?: {
    /** Bytes sent since the migration began. */
    readonly transferred: number;
    /** Bytes still to be sent. */
    readonly remaining: number;
    /** Passes over the memory; 1 during the first. */
    readonly 'dirty-sync-count': number;
  };
  /** Milliseconds that the source stood still; once the migration is over. */
  readonly downtime?: number;
  readonly 'error-desc'?: string;
  /** At a destination: the addresses at which QEMU waits for the source. */
  readonly 'socket-address'?: readonly { readonly port?: string }[];
}

const MAX_BYTES = 1e16;
const MAX_ROUNDS = 1e9;
/** Ten days. */
const MAX_MS = 864_000_000;

/** A number that QEMU gave, at most `max`; 0 where it is no number or negative. */
export function boundedNumber(value: unknown, max = MAX_BYTES): number {
  return typeof value === 'number' && value >= 0 ? Math.min(value, max) : 0;
}

/**
 * The migration of this QEMU, with bounded numbers and texts.
 * @throws QmpError, TagalongError QEMU_GONE, QEMU_SILENT
 */
export async function queryMigrate(qmp: Qmp): Promise<MigrateInfo> {
  const info = (await qmp.execute<MigrateInfo | null>('query-migrate')) ?? {};
  const { status, ram, downtime, 'error-desc': fault, 'socket-address': addresses } = info;
  return {
    ...(typeof status === 'string' && { status: foreignText(status, 64) }),
    ...(typeof ram === 'object' && {
      ram: {
        transferred: boundedNumber(ram?.transferred),
        remaining: boundedNumber(ram?.remaining),
        'dirty-sync-count': Math.floor(boundedNumber(ram?.['dirty-sync-count'], MAX_ROUNDS)),
      },
    }),
    ...(downtime !== undefined && { downtime: boundedNumber(downtime, MAX_MS) }),
    ...(fault !== undefined && { 'error-desc': foreignText(fault) }),
    ...(Array.isArray(addresses) && {
      'socket-address': addresses.slice(0, 1).map(({ port }) => ({ port: `${port}` })),
    }),
  };
}

/** QEMU's `MigrationStatus`; `none` before the first migration. @throws as {@link queryMigrate} */
export async function migrationStatus(qmp: Qmp): Promise<string> {
  return (await queryMigrate(qmp)).status ?? 'none';
}

/** The port at which a destination's QEMU waits for memory. @throws TagalongError ORDER_REFUSED where QEMU names none */
export async function listeningPort(qmp: Qmp): Promise<number> {
  const port = Number((await queryMigrate(qmp))['socket-address']?.[0]?.port);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new TagalongError('ORDER_REFUSED', 'QEMU does not tell the port at which it receives memory; read its log');
}

/** True: the VM may run at the destination while the source still sends memory. From then on nothing can be cancelled. */
export function isPostCopy(status: string): boolean {
  return status.startsWith('postcopy-');
}

/**
 * True: this QEMU is sending its VM, or has sent it. `completed` may be left from an earlier migration: the one that brought
 * the VM here counted no bytes, and after one that was given back the VM runs again.
 */
export async function isSending(qmp: Qmp): Promise<boolean> {
  const { status = 'none', ram } = await queryMigrate(qmp);
  if (status === 'completed') {
    if (ram === undefined || ram.transferred === 0) return false;
    return !(await isRunning(qmp));
  }
  return ['setup', 'active', 'pre-switchover', 'device'].includes(status) || isPostCopy(status);
}
