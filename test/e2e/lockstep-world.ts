/** Plays traces onto processes in lockstep, and simulates the same traces for comparison. */
import { existsSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { type LockstepProgress, playInLockstep } from '#deploy/cli/run/lockstep.ts';
import { PERSONAL_VM, PersonalVms } from '#services/replay/personal-vms.ts';
import { readSites, type SiteSpec } from '#services/replay/site-lists.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import { openTrace } from '#services/replay/traces/trace.ts';
import { parseConfig } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import { EVENT_TYPES, type Event, type Fact, TERMINAL_TYPES } from '#shared/events/index.ts';
import { partitionKeyOf } from '#shared/events/partition.ts';
import { createLog } from '#shared/log.ts';
import { openBus, openStore } from '#shared/open.ts';
import type { KeptVm } from '#shared/policy/state/kept-vm.ts';
import { run } from '#simulations/engine.ts';
import { generate } from '#simulations/generators/generate.ts';
import type { ScenarioVm } from '#simulations/scenarios/scenario.ts';

/** The positions of users, and the sites. */
export interface Subject {
  readonly sites: readonly SiteSpec[];
  readonly fixes: readonly Fix[];
  /** The VMs; without them each user gets one. */
  readonly vms?: readonly ScenarioVm[];
  /** @default nearest */
  readonly policy?: string;
}

const DATA = '../shared/data/sf-cabspotting';
const RECORDED = { trace: `${DATA}/cabs-demo-25.csv`, sites: `${DATA}/sites-demo-24.csv` };
/** The recorded files that are absent. */
export const MISSING = Object.values(RECORDED).filter((path) => !existsSync(path));
/** Users report at instants of their own, so far apart. */
const APART_MS = 701;
/** The delay before a placement reads the corrections of another one (`services/placement/service.ts`). */
const TAUGHT_WITHIN_MS = 20;
/** Two placements share the partitions; one of two migrators is on standby. */
export const PROCESSES = { ingest: 1, placement: 2, migrator: 2 };

/** The first positions of an evening of 25 cabs in San Francisco. */
export async function cabs(positions: number): Promise<Subject> {
  const fixes: Fix[] = [];
  for await (const batch of (await openTrace(RECORDED.trace)).batches()) fixes.push(...batch);
  return { sites: await readSites(RECORDED.sites), fixes: fixes.slice(0, positions) };
}

/**
 * Twenty drivers travel back and forth among nine sites; there are so many that their moves must queue. Each driver reports at
 * distinct times, because the order of VMs that compete in the same millisecond is undefined. A placement applies the corrections
 * of another placement's moves after a delay. If a decision falls into that delay, this function tries the next seed.
 */
export function drivers(seed: number, steps: number): Promise<Subject> {
  return firstFrom(seed, (next) => travellers(`users=20,steps=${steps},stepS=15,fromMps=15,toMps=40`, next));
}

/**
 * The customers of twelve shops travel slowly, so that stays are counted and the default policy decides by the forecast. Each shop has
 * three tiers that move as a group; the databases of the first three shops are kept apart.
 */
export function shoppers(seed: number, steps: number): Promise<Subject> {
  return firstFrom(seed, async (next) => {
    const { sites, fixes } = await travellers(`users=12,steps=${steps},stepS=60,fromMps=2,toMps=6`, next);
    const users = [...new Set(fixes.map(({ user }) => user))];
    return { sites, fixes, policy: 'tagalong', vms: users.flatMap((user, i) => shopOf(user, i, sites)) };
  });
}

function shopOf(user: string, i: number, sites: readonly SiteSpec[]): ScenarioVm[] {
  const isApart = i < 3;
  const nameOf = (tier: string) => `${isApart ? 'chain' : `shop-${i}`}::${tier}-${i}`;
  const group = { lead: nameOf('web'), apartUserMsPerS: 5 };
  const tier = (name: string, sessions: ScenarioVm['sessions'] = [], more: object = {}): ScenarioVm => ({
    ...{ vm: nameOf(name), home: sites[i % sites.length]!.site, spec: PERSONAL_VM, sessions },
    affinity: { preferenceUserMsPerS: 0, group, ...more },
  });
  const web = tier('web', [{ user, weight: 1 }]);
  return [web, tier('app'), tier('db', [], isApart ? { apart: 'chain::databases' } : {})];
}

/** The subject of the first seed that does not decide too soon. */
async function firstFrom(seed: number, subjectOf: (seed: number) => Promise<Subject>): Promise<Subject> {
  for (let next = seed; ; next++) {
    const subject = await subjectOf(next);
    if (!decidesTooSoon(await factsOf(subject))) return subject;
  }
}

async function travellers(walk: string, seed: number): Promise<Subject> {
  const { sites, trace } = generate(`random-waypoint,${walk},sites=9,spacingM=5000`, seed);
  const fixes: Fix[] = [];
  for await (const batch of trace.batches()) {
    for (const fix of batch) fixes.push({ ...fix, atMs: fix.atMs + Number(fix.user.split('-')[1]) * APART_MS });
  }
  return { sites, fixes: fixes.toSorted((a, b) => a.atMs - b.atMs) };
}

/** True if a decision follows the end of another VM's move so closely that its placement may lack the move's correction. */
function decidesTooSoon(facts: readonly Fact[]): boolean {
  const ends = facts.filter(({ type }) => isTerminal(type)).map(({ data }) => data);
  const decisions = facts.filter(({ type }) => type === 'placement.decided.v1').map(({ data }) => data);
  return decisions.some((decision) =>
    ends.some((end) => {
      const sinceMs = decision.atMs - end.atMs;
      // VMs of one partition key are on one placement.
      return (
        partitionKeyOf(vmOf(end)) !== partitionKeyOf(vmOf(decision)) && sinceMs >= 0 && sinceMs <= TAUGHT_WITHIN_MS
      );
    }),
  );
}

const vmOf = (data: Fact['data']) => (data as { readonly vm: string }).vm;

/** @param url the URL of bus and store; empty for a simulation */
export function settingsOf(url: string, replicas = 1, policy = 'nearest'): string {
  const server = url === '' ? {} : { url, replicas };
  return JSON.stringify({
    bus: { ...server, partitions: 4 },
    store: server,
    log: { level: 'error' },
    heartbeatMs: 20_000,
    policy: { name: policy, siteSilentMs: 90_000 },
  });
}

/** The results that both runs must share. */
export interface Outcome {
  /** Every decision and every end of a move, as JSON, sorted. */
  readonly lines: readonly string[];
  /** The final site of each VM that moved. */
  readonly places: Readonly<Record<string, string>>;
}

function outcomeOf(facts: readonly Fact[]): Outcome {
  const relevant = facts.filter(({ type }) => type === 'placement.decided.v1' || isTerminal(type));
  const places: Record<string, string> = {};
  for (const fact of relevant.toSorted((a, b) => a.data.atMs - b.data.atMs)) {
    if (fact.type === 'migration.completed.v1') places[fact.data.vm] = fact.data.to;
  }
  return { lines: relevant.map(({ type, data }) => JSON.stringify({ type, data }, rounded)).toSorted(), places };
}

/** Rounds to twelve digits: an inspection after a crash makes the hypervisor sum the copied bytes in other pieces. */
function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(12)) : value;
}

const isTerminal = (type: string) => (TERMINAL_TYPES as readonly string[]).includes(type);

export async function simulated(subject: Subject): Promise<Outcome> {
  return outcomeOf(await factsOf(subject));
}

async function factsOf({ sites, fixes, vms, policy }: Subject): Promise<readonly Fact[]> {
  const facts: Fact[] = [];
  const config = parseConfig(settingsOf('', 1, policy), 'test');
  await run({ config, sites, batches: [fixes], observe: (fact) => void facts.push(fact), ...(vms && { vms }) });
  return facts;
}

/** The outcome of a run, and a record of its bus traffic. */
export interface Played extends Outcome {
  /** The homes that placement has recorded for the VMs that moved. */
  readonly recorded: Readonly<Record<string, string>>;
  /** Events that were published with different contents under one id. */
  readonly contradictions: readonly string[];
  /** The number of locations that ingest accepted, and the number of distinct ones on the bus. */
  readonly accepted: number;
  readonly located: number;
  /** The number of distinct batches of stays on the bus. */
  readonly stays: number;
  readonly progress: LockstepProgress;
}

/** @param disturb runs beside the run once all processes serve, and receives the number of published events; `played` awaits it */
export async function played(
  settings: string,
  { sites, fixes, vms = [] }: Subject,
  disturb: (progress: LockstepProgress, over: () => boolean, published: () => number) => Promise<void>,
  awayMs?: () => number,
): Promise<Played> {
  const config: Config = {
    ...parseConfig(settings, 'test'),
    sites: sites.map((site) => ({ ...site, draining: false })),
    vms,
  };
  const log = createLog('silent');
  const bus = await openBus(config, log);
  const events = new Map<string, Event>();
  const contradictions: string[] = [];
  await bus.subscribe({ group: 'test', types: EVENT_TYPES }, async (batch) => {
    for (const { event } of batch) {
      const known = events.get(event.id);
      if (known === undefined) events.set(event.id, event);
      else if (!isDeepStrictEqual(known, event)) contradictions.push(event.id);
    }
  });
  const observed: Event[] = [];
  let over = false;
  let disturbing = Promise.resolve();
  try {
    const progress = await playInLockstep({
      ...{ config, processes: PROCESSES, startMs: fixes[0]!.atMs, speed: Number.POSITIVE_INFINITY, batches: [fixes] },
      ...(vms.length === 0 && { personal: new PersonalVms(sites) }),
      observe: (event) => void observed.push(event),
      log,
      childLog: process.stderr,
      begun(begun) {
        disturbing = disturb(
          begun,
          () => over,
          () => events.size,
        );
      },
      ...(awayMs && { awayMs }),
    });
    over = true;
    await disturbing;
    const outcome = outcomeOf(observed);
    const countOf = (wanted: Event['type']) => [...events.values()].filter(({ type }) => type === wanted).length;
    const [located, stays] = [countOf('location.reported.v1'), countOf('stays.counted.v1')];
    const recorded = await recordedPlaces(config, Object.keys(outcome.places));
    return { ...outcome, recorded, contradictions, accepted: progress.ingest.accepted, located, stays, progress };
  } finally {
    over = true;
    await disturbing.catch(() => {});
    await bus.close();
  }
}

async function recordedPlaces(config: Config, vms: readonly string[]): Promise<Record<string, string>> {
  const store = await openStore(config, createLog('silent'));
  const records = await store.list<{ readonly value: KeptVm }>('placement/vm/');
  await store.close();
  const homes = records.map(({ value: { value } }) => [value.id, value.home] as const);
  return Object.fromEntries(homes.filter(([id]) => vms.includes(id)));
}
