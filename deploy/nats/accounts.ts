/**
 * The users of the NATS servers: one for each process, with the permissions that it needs. `npm run generate` writes
 * accounts.conf from this table.
 *
 * The subject of an event has its type, and a service drops an event whose type is not that of its subject. So a user can publish
 * events of its own types only.
 */
import type { ProcessName } from '#services/process/modules.ts';
import { AUDIT_TYPE } from '#shared/bus/audited.ts';
import type { EventType } from '#shared/events/index.ts';
import { escapeToken } from '#shared/nats/tokens.ts';

/** The use that a process makes of bus and store. */
interface Access {
  /** The types of its events. */
  readonly publishes: readonly EventType[];
  /** Its groups that share partitions. Undefined: it subscribes to nothing. A member that begins with the latest events needs no name here. */
  readonly groups?: readonly string[];
  /** The beginnings of the keys of its records. All processes may read all records. */
  readonly records: readonly string[];
  /** True: it reads the audit, to which all processes publish. */
  readonly readsAudit?: true;
  /** True: it may change the configuration of streams, for example after `bus.retentionMs` has changed. */
  readonly configures?: true;
  /** True: it may delete single events and records, to erase users. */
  readonly erases?: true;
}

/** The permissions of the processes. */
export const ACCESS: Readonly<Record<ProcessName, Access>> = {
  ingest: {
    publishes: [
      ...(['location.reported.v1', 'interruption.reported.v1', 'session.attached.v1', 'session.detached.v1'] as const),
      ...(['vm.declared.v1', 'vm.retired.v1'] as const),
    ],
    records: ['ingest/', 'token/'],
  },
  placement: {
    publishes: ['placement.decided.v1', 'stays.counted.v1', 'event.rejected.v1'],
    groups: ['placement'],
    records: ['placement/'],
  },
  migrator: {
    publishes: [
      ...(['migration.accepted.v1', 'migration.started.v1', 'migration.progressed.v1'] as const),
      ...(['migration.switched.v1', 'migration.completed.v1', 'migration.failed.v1'] as const),
      ...(['migration.cancelled.v1', 'site.reported.v1', 'site.removed.v1', 'event.rejected.v1'] as const),
    ],
    groups: ['migrator', 'agent'],
    records: ['migrator/', 'agent/', 'site/', 'simulated/'],
    configures: true,
  },
  monitor: {
    publishes: ['event.rejected.v1', 'session.detached.v1', 'user.erased.v1'],
    groups: ['monitor', 'tracer', 'dead-letters'],
    records: ['dead-letter/', 'ingest/user/', 'token/'],
    readsAudit: true,
    erases: true,
  },
  dashboard: { publishes: ['event.rejected.v1'], groups: [], records: ['token/'] },
};

const PROCESSES = Object.keys(ACCESS) as ProcessName[];

/** The variable in passwords.conf that has the password of a user. */
export const variableOf = (user: string) => `BUS_${user.toUpperCase()}`;
/** The user for people: backups, dead letters, recordings. It has no limits within the account. */
export const OPERATOR = 'operator';
/** All users of accounts.conf. */
export const USERS: readonly string[] = [...PROCESSES, OPERATOR];

/** Subjects on which a process may publish. @param prefix of bus and store */
export function publishOf(name: ProcessName, prefix = 'tagalong'): string[] {
  const { publishes, groups, records, readsAudit, configures, erases } = ACCESS[name];
  const [events, places, members] = [`${prefix}_events`, `${prefix}_places`, `${prefix}_members`];
  const audit = `${prefix}_audit`;
  const stored = `${prefix}_records`;
  const buckets = [places, members, stored];
  const streams = [events, ...buckets.map((bucket) => `KV_${bucket}`)];
  const api = (what: string) => `$JS.API.${what}`;
  const all = (whats: readonly string[], names: readonly string[], rest = '') =>
    names.flatMap((stream) => whats.map((what) => api(`${what}.${stream}${rest}`)));
  return [
    ...publishes.map((type) => `${prefix}.*.${type}.*`),
    `${audit}.${AUDIT_TYPE}`,
    ...['partitions', 'installation'].map((key) => `$KV.${places}.${key}`),
    ...(groups ?? []).flatMap((group) => [places, members].map((bucket) => `$KV.${bucket}.${escapeToken(group)}.*`)),
    ...[
      'installation',
      ...records.map((key) => `${key.replace(/\/$/, '').split('/').map(escapeToken).join('.')}.>`),
    ].map((key) => `$KV.${stored}.${key}`),
    api('INFO'),
    ...all(['STREAM.INFO', 'STREAM.CREATE', ...(configures ? ['STREAM.UPDATE'] : [])], [audit, ...streams]),
    // A user that subscribes to nothing must not read events singly either.
    ...all(['STREAM.MSG.GET'], groups === undefined ? streams.filter((stream) => stream !== events) : streams),
    ...(erases ? all(['STREAM.MSG.DELETE'], [events, `KV_${stored}`]) : []),
    ...all(['CONSUMER.LIST'], [events]),
    // The views of the buckets, and the lists of the store.
    ...readOf(buckets.map((bucket) => `KV_${bucket}`)),
    ...(groups === undefined
      ? []
      : [...readOf([events]), api(`CONSUMER.INFO.${events}.*`), api(`CONSUMER.DURABLE.CREATE.${events}.*`)]),
    ...(groups === undefined ? [] : [`$JS.ACK.${events}.>`]),
    ...(readsAudit ? readOf([audit]) : []),
  ];
}

/** The permissions of a consumer of a stream. */
function readOf(streams: readonly string[]): string[] {
  return streams.flatMap((stream) => [
    `$JS.API.CONSUMER.CREATE.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}.>`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.*`,
    `$JS.API.CONSUMER.DELETE.${stream}.*`,
  ]);
}

/** The account of the services, as a file that a server's configuration includes. */
export function accountsConf(prefix = 'tagalong'): string {
  const users = PROCESSES.map((name) => {
    const subjects = publishOf(name, prefix).map((subject) => `            ${JSON.stringify(subject)}`);
    return [
      '      {',
      `        user: ${name}, password: $${variableOf(name)}`,
      '        permissions: {',
      '          publish: [',
      ...subjects,
      '          ]',
      '          subscribe: ["_INBOX.>"]',
      '        }',
      '      }',
    ].join('\n');
  });
  return `# The account of Tagalong's services: one user for each process, with the permissions that it needs. "npm run generate" writes this file
# from accounts.ts. The passwords are in passwords.conf, which deploy/passwords.sh makes.
#
# A webhook NAME of the configuration has a group of its own: give the monitor "$KV.${prefix}_places.webhook-NAME.*" and
# "$KV.${prefix}_members.webhook-NAME.*", too. The operator is for people: backups, dead letters, recordings.
include ./passwords.conf

accounts {
  TAGALONG {
    jetstream: enabled
    users: [
${users.join('\n')}
      { user: ${OPERATOR}, password: $${variableOf(OPERATOR)} }
    ]
  }
}
`;
}
