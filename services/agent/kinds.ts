/** The stored form of an agent's records: one for each VM, and one for each kept disk. */
import Type, { type Static } from 'typebox';
import { Amount, Count, closed, Ms, Name, oneOf, recordKind, StoredSpec, Text } from '#shared/store/records.ts';
import type { InstanceRecord, MoveRecord } from './instance-record.ts';

const Port = Type.Integer({ minimum: 0, maximum: 65_535 });
const Endpoint = Type.Object({ provider: Name, address: Text }, closed);
const Lan = Type.Object({ address: Text, prefix: Type.Integer({ minimum: 0, maximum: 128 }), gateway: Text }, closed);
const Copy = Type.Object(
  {
    state: oneOf(['copying', 'ready', 'forced', 'post-copy', 'stopped', 'sent', 'failed']),
    sentBytes: Amount,
    remainingBytes: Amount,
    rounds: Count,
    rateBps: Amount,
    failure: Type.Optional(Type.Object({ code: Text, reason: Type.String() }, closed)),
  },
  closed,
);

const StoredMove = Type.Object(
  {
    migration: Name,
    role: oneOf(['source', 'destination']),
    peer: Name,
    landing: Type.Object(
      {
        token: Name,
        endpoints: Type.Array(Endpoint),
        answerPort: Port,
        memoryPort: Port,
        diskPort: Port,
        lan: Lan,
        kept: Type.Optional(Name),
        postCopy: Type.Boolean(),
        compression: oneOf(['none', 'zstd']),
      },
      closed,
    ),
    stretch: Type.Object({ remote: Text, local: Text }, closed),
    done: Type.Array(oneOf(['leave', 'announce', 'disk', 'memory'])),
    unjoined: Type.Number({ minimum: -1, maximum: 1e9 }),
    postCopy: Type.Optional(Type.Boolean()),
    copy: Type.Optional(
      Type.Object({ migration: Name, maxRounds: Count, maxPauseMs: Amount, stallMs: Amount }, closed),
    ),
  },
  closed,
);
type StoredMove = Static<typeof StoredMove>;

const StoredInstance = Type.Object(
  {
    vm: Name,
    machine: Type.Object({ image: Name, vcpus: Count, spec: StoredSpec }, closed),
    nic: Type.Union([Type.Literal(0), Type.Literal(1)]),
    lan: Lan,
    qemu: Type.Object({ pid: Count, startTicks: Count }, closed),
    ownership: oneOf(['home', 'incoming', 'handed-over']),
    move: Type.Optional(StoredMove),
    arrivedBy: Type.Optional(Name),
    stoppedAtMs: Type.Optional(Ms),
    resumedAtMs: Type.Optional(Ms),
    sent: Type.Optional(
      Type.Object(
        {
          copy: Type.Optional(Copy),
          disk: Type.Optional(Copy),
          carriage: Type.Optional(
            Type.Object(
              { bytesByProvider: Type.Record(Type.String(), Amount), subflows: Count, plainTcp: Type.Boolean() },
              closed,
            ),
          ),
          qemuDowntimeMs: Type.Optional(Amount),
        },
        closed,
      ),
    ),
  },
  closed,
);
type StoredInstance = Static<typeof StoredInstance>;

/** The kind of a VM's record. */
export const INSTANCE_RECORD = recordKind({
  kind: 'instance',
  keys: '<stateDir>/<short name>/record.json',
  owner: 'agent',
  version: 1,
  schema: StoredInstance,
  upgrade: { 0: (old) => old },
});

/** The kind of the note that lies beside a kept disk. */
export const KEPT_DISK_RECORD = recordKind({
  kind: 'kept-disk',
  keys: '<stateDir>/<short name>/kept.json',
  owner: 'agent',
  version: 1,
  schema: Type.Object({ token: Name, diskBytes: Amount, changedNs: Text, inode: Text, fileBytes: Text }, closed),
  upgrade: { 0: (old) => old },
});

/** The stored form of a VM's record. Members that are undefined are left out. */
export function storeInstance(record: InstanceRecord): StoredInstance {
  const { vm, machine, nic, lan, qemu, ownership, move, arrivedBy, stoppedAtMs, resumedAtMs, sent } = record;
  const { pid, startTicks } = qemu;
  const base = { vm, machine, nic, lan, qemu: { pid, startTicks }, ownership };
  const more = { move: move && storeMove(move), arrivedBy, stoppedAtMs, resumedAtMs, sent };
  return JSON.parse(JSON.stringify({ ...base, ...more })) as StoredInstance;
}

function storeMove(move: MoveRecord): StoredMove {
  const { migration, role, peer, landing, stretch, done, unjoined, postCopy, copy } = move;
  const { remote, local } = stretch;
  return {
    ...{ migration, role, peer, stretch: { remote, local }, done: [...done], unjoined },
    landing: { ...landing, endpoints: landing.endpoints.map(({ provider, address }) => ({ provider, address })) },
    ...(postCopy !== undefined && { postCopy }),
    ...(copy !== undefined && { copy }),
  };
}
