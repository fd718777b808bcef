/** A move in the form of ETSI GS MEC 021: the application mobility service's `MobilityProcedureNotification`. */
import { type Event, TERMINAL_TYPES } from '#shared/events/index.ts';
import { endOf } from '#shared/migration/outcome.ts';

/** `associateId` is empty, which means all users of the application: whom a VM serves is not for others to know. */
export interface MobilityProcedureNotification {
  readonly notificationType: 'MobilityProcedureNotification';
  readonly timeStamp: { readonly seconds: number; readonly nanoSeconds: number };
  readonly associateId: readonly [];
  readonly mobilityStatus: 'INTERHOST_MOVEOUT_TRIGGERED' | 'INTERHOST_MOVEOUT_COMPLETED' | 'INTERHOST_MOVEOUT_FAILED';
  /** The VM, and its destination; after a failure, the site where it runs. */
  readonly targetAppInfo: { readonly appInstanceId: string; readonly hostInformation: { readonly hostName: string } };
}

/** The events of which webhooks are notified. */
export const TOLD = ['migration.accepted.v1', ...TERMINAL_TYPES] as const;
/** An event of which webhooks are notified. */
export type Told = Extract<Event, { type: (typeof TOLD)[number] }>;

/** True for an event of which webhooks are notified. */
export function isTold(event: Event): event is Told {
  return (TOLD as readonly string[]).includes(event.type);
}

const STATUS = {
  'migration.accepted.v1': 'INTERHOST_MOVEOUT_TRIGGERED',
  'migration.completed.v1': 'INTERHOST_MOVEOUT_COMPLETED',
  'migration.failed.v1': 'INTERHOST_MOVEOUT_FAILED',
  'migration.cancelled.v1': 'INTERHOST_MOVEOUT_FAILED',
} as const;

/** A cancelled move is a failed one there. */
export function notificationOf(event: Told): MobilityProcedureNotification {
  const { vm, atMs } = event.data;
  return {
    notificationType: 'MobilityProcedureNotification',
    timeStamp: { seconds: Math.floor(atMs / 1000), nanoSeconds: (atMs % 1000) * 1_000_000 },
    associateId: [],
    mobilityStatus: STATUS[event.type],
    targetAppInfo: { appInstanceId: vm, hostInformation: { hostName: hostOf(event) } },
  };
}

/** The destination; after a failure, the site where the VM runs. */
function hostOf(event: Told): string {
  return event.type === 'migration.accepted.v1' ? event.data.to : endOf(event).runsAt;
}
