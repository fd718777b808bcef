/**
 * The stored shape of a VM, apart from the shape in memory (`state.ts`). The JSON keys are an interface to records of earlier
 * versions and differ from the names in memory: `mind` is `Vm.context`, `stays` is `Vm.dwellTimes`, `left` is `Vm.cameFrom`, and
 * `pace` is `Session.motion`. Sites are stored by name. Values that a process can compute are not stored, except the quiet radius:
 * without it a restart would cause an additional evaluation, which could find a better site earlier and change decisions.
 */
import Type, { type Static } from 'typebox';
import { unitVector } from '../../geo/distance.ts';
import { newTrack } from '../../geo/plausibility.ts';
import {
  Amount,
  Count,
  closed,
  Figure,
  Lat,
  Lon,
  Ms,
  Name,
  oneOf,
  orNull,
  recordKind,
  StoredAffinity,
  StoredSpec,
  Text,
} from '../../store/records.ts';
import { MAX_ENDED_STAYS } from './ended-stays.ts';
import { newMotion } from './motion.ts';
import { newReporting, PRESENCES } from './presence.ts';
import type { SiteTable } from './sites.ts';
import type { Session, Vm } from './state.ts';
import { forgetPlaces } from './vm.ts';
import { newVmContext, VM_STATES } from './vm-context.ts';

/** Cosine of a latitude. */
const Scale = Type.Number({ minimum: -1, maximum: 1 });

const KeptTrack = Type.Object(
  { atMs: Ms, lat: Lat, lon: Lon, doubts: Count, doubtAtMs: Ms, doubtLat: Lat, doubtLon: Lon },
  closed,
);
const KeptPace = Type.Object(
  { travelling: Type.Boolean(), speedMps: Amount, restingSinceMs: Ms, atMs: Ms, lat: Lat, lon: Lon },
  closed,
);

const KeptSession = Type.Object(
  {
    user: Name,
    weight: Amount,
    attachedAtMs: Ms,
    track: KeptTrack,
    pace: KeptPace,
    lookLat: Lat,
    lookLon: Lon,
    lookScale: Scale,
    anchorLat: Lat,
    anchorLon: Lon,
    anchorScale: Scale,
    certainKm: Figure,
    active: Type.Boolean(),
    /** Name of the nearest site. Its index differs between processes, because each receives the sites in another order. */
    nearest: Type.Optional(Name),
    rtts: Type.Optional(Type.Record(Type.String(), Type.Object({ rttMs: Amount, atMs: Ms }, closed))),
    presence: orNull(oneOf(PRESENCES)),
    /** -1: not known. */
    intervalMs: Figure,
  },
  closed,
);
type KeptSession = Static<typeof KeptSession>;

const KeptMove = Type.Object(
  {
    decision: Name,
    from: Name,
    to: Name,
    source: oneOf(['policy', 'evacuation', 'operator']),
    orderedBy: Type.Optional(Text),
    paths: Type.Array(Name),
    orderedAtMs: Ms,
    delayUserMsPerS: Amount,
    shared: Type.Boolean(),
    raw: Type.Object({ durationMs: Amount, interruptionMs: Amount }, closed),
    switched: Type.Boolean(),
    cancelling: Type.Boolean(),
    giveUpAtMs: orNull(Ms),
  },
  closed,
);

const KeptVm = Type.Object(
  {
    id: Name,
    spec: StoredSpec,
    declaredAtMs: Ms,
    affinity: orNull(StoredAffinity),
    home: Name,
    state: oneOf(VM_STATES),
    mind: Type.Object(
      { vm: Name, seq: Count, deadlineMs: orNull(Ms), move: orNull(KeptMove), failures: Count },
      closed,
    ),
    sessions: Type.Array(KeptSession),
    nowMs: Ms,
    // JSON has no Infinity: null is a deadline that never comes, or a radius without an end.
    wakeAtMs: orNull(Ms),
    recheckAtMs: orNull(Ms),
    quietKm: orNull(Figure),
    best: orNull(Name),
    bestSinceMs: Ms,
    cameBy: orNull(Name),
    /** Stays that have ended, until their counts are published. */
    endedStays: Type.Array(Type.Object({ site: Name, from: orNull(Name), ms: Amount, period: Count }, closed), {
      maxItems: MAX_ENDED_STAYS,
    }),
    stays: Type.Object(
      { anywhereMs: Figure, bySite: Type.Array(Type.Object({ site: Name, ms: Figure }, closed)) },
      closed,
    ),
    /** The memory of its placement rule. */
    memory: orNull(Type.Record(Type.String(), Type.Unknown())),
    left: orNull(Type.Object({ site: Name, atMs: Ms }, closed)),
    lastMove: orNull(
      Type.Object(
        {
          ...{ to: Name, ended: oneOf(['completed', 'failed', 'cancelled']), reason: Text, atMs: Ms },
          ...{ orderedBy: Type.Optional(Text), cancelledBy: Type.Optional(Text) },
        },
        closed,
      ),
    ),
    movesAtMs: Type.Array(Ms),
    detachedAtMs: Type.Record(Type.String(), Ms),
    reason: Text,
    retired: Type.Boolean(),
  },
  closed,
);
/** A VM as it is stored. */
export type KeptVm = Static<typeof KeptVm>;

/** The kind of these records. */
export const VM_RECORD = recordKind({
  kind: 'vm',
  keys: 'placement/vm/<partition>/<VM>',
  owner: 'placement',
  version: 8,
  schema: KeptVm,
  upgrade: {
    0: fromVersion0,
    1: fromVersion1,
    2: fromVersion2,
    3: fromVersion3,
    4: fromVersion4,
    // An affinity in version 5 has no relations to other VMs.
    5: (old) => old,
    6: fromVersion6,
    // Version 7 does not say who ordered a move.
    7: (old) => old,
  },
});

/** Converts a VM to its stored shape. @param sites the table to which the VM's indices refer */
export function keepVm(vm: Vm, sites: SiteTable): KeptVm {
  return {
    id: vm.id,
    spec: vm.spec,
    declaredAtMs: vm.declaredAtMs,
    affinity: vm.affinity,
    home: vm.home.id,
    state: vm.state,
    mind: vm.context as KeptVm['mind'],
    sessions: vm.sessions.map((session) => keepSession(session, sites)),
    nowMs: vm.nowMs,
    wakeAtMs: finite(vm.wakeAtMs),
    recheckAtMs: finite(vm.recheckAtMs),
    quietKm: finite(vm.quietKm),
    best: vm.best,
    bestSinceMs: vm.bestSinceMs,
    cameBy: vm.cameBy,
    endedStays: vm.endedStays as KeptVm['endedStays'],
    stays: vm.dwellTimes,
    memory: vm.memory as KeptVm['memory'],
    left: vm.cameFrom,
    lastMove: vm.lastMove,
    movesAtMs: vm.movesAtMs as number[],
    detachedAtMs: vm.detachedAtMs,
    reason: vm.reason,
    retired: vm.retired,
  };
}

function keepSession(session: Session, sites: SiteTable): KeptSession {
  const kept: KeptSession = {
    user: session.user,
    weight: session.weight,
    attachedAtMs: session.attachedAtMs,
    track: session.track,
    pace: session.motion,
    lookLat: session.lookLat,
    lookLon: session.lookLon,
    lookScale: session.lookScale,
    anchorLat: session.anchorLat,
    anchorLon: session.anchorLon,
    anchorScale: session.anchorScale,
    certainKm: session.certainKm,
    active: session.active,
    presence: session.presence,
    intervalMs: session.intervalMs,
  };
  const nearest = sites.list[session.near]?.id;
  if (nearest !== undefined) kept.nearest = nearest;
  if (session.rtts !== undefined) kept.rtts = session.rtts;
  return kept;
}

/** Converts a stored VM to its shape in memory. @param sites the table in which its sites are looked up */
export function reviveVm(kept: KeptVm, sites: SiteTable): Vm {
  const vm: Vm = {
    id: kept.id,
    spec: kept.spec,
    declaredAtMs: kept.declaredAtMs,
    affinity: kept.affinity,
    home: sites.named(kept.home),
    state: kept.state,
    context: kept.mind,
    sessions: kept.sessions.map((session) => reviveSession(session, sites)),
    nowMs: kept.nowMs,
    wakeAtMs: kept.wakeAtMs ?? Number.POSITIVE_INFINITY,
    recheckAtMs: kept.recheckAtMs ?? Number.POSITIVE_INFINITY,
    quietKm: kept.quietKm ?? Number.POSITIVE_INFINITY,
    best: kept.best,
    bestSinceMs: kept.bestSinceMs,
    cameBy: kept.cameBy,
    endedStays: kept.endedStays,
    dwellTimes: kept.stays,
    memory: kept.memory,
    cameFrom: kept.left,
    lastMove: kept.lastMove,
    movesAtMs: kept.movesAtMs,
    detachedAtMs: kept.detachedAtMs,
    reason: kept.reason,
    retired: kept.retired,
    changed: false,
  };
  // While no process owned the VM, sites may have come, moved or gone. Its quiet radius is then no longer valid.
  if (!kept.sessions.every((session) => isStillNearest(session, sites))) forgetPlaces([vm]);
  return vm;
}

/** False if the nearest site of a user is no longer the stored one. */
function isStillNearest({ nearest, track }: KeptSession, sites: SiteTable): boolean {
  if (nearest === undefined) return true;
  const near = sites.named(nearest).index;
  if (near < 0) return false;
  const [probe, found, km] = [new Float64Array(3), new Int32Array(1), new Float64Array(1)];
  unitVector(track, probe);
  sites.index.nearest(probe, track, 1, found, km);
  return found[0] === near || km[0] === sites.index.distanceKm(probe, near);
}

function reviveSession(kept: KeptSession, sites: SiteTable): Session {
  return {
    user: kept.user,
    weight: kept.weight,
    attachedAtMs: kept.attachedAtMs,
    track: kept.track,
    motion: kept.pace,
    lookLat: kept.lookLat,
    lookLon: kept.lookLon,
    lookScale: kept.lookScale,
    anchorLat: kept.anchorLat,
    anchorLon: kept.anchorLon,
    anchorScale: kept.anchorScale,
    certainKm: kept.certainKm,
    near: kept.nearest === undefined ? -1 : sites.named(kept.nearest).index,
    active: kept.active,
    presence: kept.presence,
    intervalMs: kept.intervalMs,
    ...(kept.rtts !== undefined && { rtts: kept.rtts }),
  };
}

const finite = (value: number) => (Number.isFinite(value) ? value : null);

/** The longest round trip that is plausible, in ms: no client waits longer for an answer. */
const MAX_RTT_MS = 100_000;
/** The largest number of sites in the measurements of one client. */
const MAX_RTTS = 64;
/** The default of `policy.priorStayMs`. */
const PRIOR_STAY_MS = 600_000;

// biome-ignore lint/suspicious/noExplicitAny: what old programs stored.
type Old = any;

/**
 * Version 0: records without a version number. The oldest lack members that were added later; these get the values of a new VM.
 * Implausible round trips are dropped.
 */
function fromVersion0(old: Old): unknown {
  const { sessions, stays, memory, left, mind, detachedAtMs, movesAtMs, retired, ...rest } = old;
  return {
    ...rest,
    mind: { ...newVmContext(old.id, 0), ...mind },
    sessions: (sessions ?? []).map(sessionFromVersion0),
    stays: { anywhereMs: stays?.anywhereMs ?? PRIOR_STAY_MS, bySite: stays?.bySite ?? [] },
    memory: memory ?? null,
    left: left ?? null,
    movesAtMs: movesAtMs ?? [],
    detachedAtMs: detachedAtMs ?? {},
    retired: retired ?? false,
  };
}

/** Version 1 had no deadline for the acceptance of orders: orders under way count as accepted. */
function fromVersion1(old: Old): unknown {
  const { move } = old.mind;
  return { ...old, mind: { ...old.mind, move: move && { ...move, giveUpAtMs: null } } };
}

/** Version 2 says nothing about how users report, and nothing about the last move. */
function fromVersion2(old: Old): unknown {
  const sessions = old.sessions.map((session: Old) => ({ ...session, ...newReporting() }));
  return { ...old, sessions, lastMove: null };
}

/** Version 3 had no declaration of where a VM may run. */
function fromVersion3(old: Old): unknown {
  return { ...old, affinity: null };
}

/** Version 4 does not say how the users came to the best site. */
function fromVersion4(old: Old): unknown {
  return { ...old, cameBy: null, endedStays: [] };
}

/**
 * Version 6 does not say when a move under way was ordered: the last of the moves was. Nor does it say whether the move shares its
 * uplinks, so it teaches nothing.
 */
function fromVersion6(old: Old): unknown {
  const { move } = old.mind;
  const traffic = { orderedAtMs: old.movesAtMs.at(-1) ?? 0, delayUserMsPerS: 0, shared: true };
  return { ...old, mind: { ...old.mind, move: move && { ...move, ...traffic } } };
}

function sessionFromVersion0({ near: _, rtts, track, pace, ...rest }: Old): unknown {
  return {
    ...{
      lookLat: 0,
      lookLon: 0,
      lookScale: 1,
      anchorLat: 0,
      anchorLon: 0,
      anchorScale: 1,
      certainKm: 0,
      active: false,
    },
    ...rest,
    track: { ...newTrack(), ...track },
    pace: { ...newMotion(), ...pace },
    ...(rtts && { rtts: plausibleRtts(rtts) }),
  };
}

function plausibleRtts(rtts: Old): unknown {
  const measured = Object.entries<Old>(rtts).filter(([, { rttMs }]) => rttMs >= 0 && rttMs <= MAX_RTT_MS);
  return Object.fromEntries(measured.sort(([, a], [, b]) => b.atMs - a.atMs).slice(0, MAX_RTTS));
}
