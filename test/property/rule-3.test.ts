import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { virtualClock } from '#shared/clock/virtual.ts';
import { type Data, type Fact, TERMINAL_TYPES } from '#shared/events/index.ts';
import { simulatedHypervisor } from '#shared/hypervisor/simulated/simulated.ts';
import { Migrations } from '#shared/migration/migrations.ts';
import { SPEC } from '../unit/shared/policy/world.ts';
import { mostFrequent } from './broken.ts';
import { faults } from './commands.ts';
import { configFor, SITES } from './harness.ts';
import { SEED } from './seed.ts';

const VMS = 8;
const decisions = fc.array(
  fc.record({
    vm: fc.nat({ max: VMS - 1 }),
    hop: fc.integer({ min: 1, max: SITES.length - 1 }),
    cancels: fc.boolean(),
    thenMs: fc.constantFrom(0, 0, 10, 1_000, 20_000),
  }),
  { minLength: 5, maxLength: 60, size: 'max' },
);
const limits = fc.record({
  movesPerSite: fc.integer({ min: 1, max: 3 }),
  movesPerPath: fc.integer({ min: 1, max: 3 }),
});

describe('rule 3: one migration per VM at a time; limits per site and per path hold', () => {
  // The decisions ignore the limits, so that the migrator alone must keep them.
  test('the migrator starts no more moves than the limits allow, for any decisions', () => {
    let waited = 0;
    fc.assert(
      fc.property(decisions, faults, limits, (list, broken, limited) => {
        const config = configFor(limited);
        const clock = virtualClock(0);
        const toCome = [...broken];
        const { move: model, network } = config;
        const hypervisor = simulatedHypervisor({ clock, model, network, faults: () => toCome.shift() });
        const migrations = new Migrations(config.limits);
        for (const site of config.sites) {
          hypervisor.declareSite({ ...site, uplinks: [...site.uplinks] });
          migrations.apply({
            type: 'site.reported.v1',
            data: { ...site, uplinks: [...site.uplinks], atMs: 0, vms: [] },
          });
        }
        const open = new Map<string, { vm: string; sites: string[]; paths: string[]; started: boolean }>();
        const ends: string[] = [];
        const track = (fact: Fact) => {
          if (fact.type === 'migration.accepted.v1') {
            const { migration, vm, from, to } = fact.data;
            open.set(migration, { vm, sites: [from, to], paths: [], started: false });
          }
          if (fact.type === 'migration.started.v1') {
            Object.assign(open.get(fact.data.migration)!, { paths: fact.data.paths, started: true });
          }
          if ((TERMINAL_TYPES as readonly string[]).includes(fact.type)) {
            const { migration } = fact.data as Data<'migration.failed.v1'>;
            ends.push(migration);
            open.delete(migration);
          }
        };
        const settle = () => {
          const { events, orders } = migrations.drain();
          for (const { fact } of events) track(fact);
          for (const order of orders) {
            if (order.kind === 'begin') hypervisor.begin(order.step, order.move);
            else hypervisor[order.kind](order.move);
          }
          const underWay = [...open.values()].filter(({ started }) => started);
          expect(mostFrequent([...open.values()].map(({ vm }) => vm)).n, 'migrations of one VM').toBeLessThanOrEqual(1);
          expect(mostFrequent(underWay.flatMap(({ sites }) => sites)).n, 'at one site').toBeLessThanOrEqual(
            limited.movesPerSite,
          );
          expect(mostFrequent(underWay.flatMap(({ paths }) => paths)).n, 'on one path').toBeLessThanOrEqual(
            limited.movesPerPath,
          );
          waited += open.size - underWay.length;
        };
        hypervisor.listen((report) => {
          migrations.report(report, Math.round(clock.now()));
          settle();
        });
        const pass = (ms: number) => {
          const untilMs = clock.now() + ms;
          for (;;) {
            const dueMs = Math.min(migrations.nextWakeMs() ?? Number.POSITIVE_INFINITY, untilMs);
            if (clock.step(dueMs)) continue;
            clock.advanceTo(dueMs);
            migrations.advance(Math.round(clock.now()));
            settle();
            if (clock.now() >= untilMs) return;
          }
        };

        const vms = Array.from({ length: VMS }, (_, i) => `v${i}`);
        for (const [i, vm] of vms.entries()) hypervisor.startVm(vm, SITES[i % SITES.length]!);
        const seqs = new Map<string, number>();
        const decided: string[] = [];
        for (const { vm: i, hop, cancels, thenMs } of list) {
          const vm = vms[i]!;
          const last = [...open].find(([, migration]) => migration.vm === vm)?.[0];
          const from = SITES.find((site) => hypervisor.vmsAt(site).includes(vm))!;
          const to = SITES[(SITES.indexOf(from) + hop) % SITES.length]!;
          const seq = (seqs.get(vm) ?? 0) + 1;
          seqs.set(vm, seq);
          const verdict = cancels && last ? 'cancel' : 'move';
          if (verdict === 'move') decided.push(`${vm}:${seq}`);
          migrations.apply({
            type: 'placement.decided.v1',
            data: {
              ...{ decision: `${vm}:${seq}`, vm, seq, atMs: Math.round(clock.now()), verdict, from, to },
              ...{ reason: 'a test', source: 'operator' },
              ...(verdict === 'cancel' ? { cancels: last } : { spec: SPEC }),
              explanation: {} as Data<'placement.decided.v1'>['explanation'],
            } as Data<'placement.decided.v1'>,
          });
          settle();
          pass(thenMs);
        }
        toCome.length = 0;
        for (let i = 0; i < 100 && open.size > 0; i++) pass(60_000);
        expect(ends.toSorted()).toEqual(decided.toSorted());
        for (const vm of vms) expect(hypervisor.running(vm)).toHaveLength(1);
      }),
      { seed: SEED, numRuns: 200 },
    );
    expect(waited, 'moves waited for a limit').toBeGreaterThan(200);
  });
});
