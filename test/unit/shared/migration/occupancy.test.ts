import { describe, expect, test } from 'vitest';
import type { FactOf } from '#shared/events/index.ts';
import { Migrations } from '#shared/migration/migrations.ts';
import { decided, done, LIMITS, outputOf } from './world.ts';

/** A migrator whose site `b` has two slots, and has reported these VMs. */
function world(vms: readonly string[]): Migrations {
  const migrations = new Migrations({ ...LIMITS, movesPerSite: 9, movesPerPath: 9 });
  report(migrations, 'a', 0, ['v', 'w', 'x']);
  report(migrations, 'b', 0, vms);
  return migrations;
}

function report(migrations: Migrations, site: string, atMs: number, vms: readonly string[]): void {
  const uplinks = [{ provider: 'a', rateBps: 1e8 }];
  const data = { site, atMs, lat: 0, lon: 0, slots: site === 'a' ? 9 : 2, vms: [...vms], draining: false, uplinks };
  migrations.apply({ type: 'site.reported.v1', data });
}

function complete(migrations: Migrations, id: string, atMs: number): void {
  for (const step of ['prepare', 'announce', 'disk', 'memory', 'switch', 'release'] as const) {
    done(migrations, id, step, atMs);
  }
}

function refusal(migrations: Migrations): FactOf<'migration.failed.v1'>['data'] {
  const { events, orders } = migrations.drain();
  expect(orders).toEqual([]);
  expect(events.map(({ fact }) => fact.type)).toEqual(['migration.failed.v1']);
  return (events[0]!.fact as FactOf<'migration.failed.v1'>).data;
}

describe('a full site', () => {
  test('fails a move to it with SITE_FULL', () => {
    const migrations = world(['y', 'z']);
    migrations.apply(decided('v', 1));
    expect(refusal(migrations)).toMatchObject({ migration: 'v:1', code: 'SITE_FULL', phase: 'queue', runsAt: 'a' });
  });

  test('counts the VMs on their way to it', () => {
    const migrations = world(['y']);
    migrations.apply(decided('v', 1));
    expect(outputOf(migrations)).toContain('accepted');
    migrations.apply(decided('w', 1));
    expect(refusal(migrations)).toMatchObject({ migration: 'w:1', code: 'SITE_FULL' });
  });

  test('has room again after a cancelled move', () => {
    const migrations = world(['y']);
    migrations.apply(decided('v', 1));
    migrations.cancel('v:1', 'operator', 1);
    migrations.report(
      { kind: 'aborted', id: 'v:1', measured: [...migrations.live.values()][0]!.migration.measured },
      2,
    );
    migrations.drain();
    migrations.apply(decided('w', 1));
    expect(outputOf(migrations)).toContain('accepted');
  });

  test('counts arrivals and departures since its last heartbeat, and takes over a later one', () => {
    const migrations = world(['y', 'z']);
    migrations.apply(decided('y', 1, { from: 'b', to: 'c' }));
    migrations.drain();
    complete(migrations, 'y:1', 5);
    migrations.apply(decided('v', 1));
    expect(outputOf(migrations), 'y has left').toContain('accepted');
    complete(migrations, 'v:1', 6);
    migrations.apply(decided('w', 1));
    expect(refusal(migrations), 'v has arrived').toMatchObject({ code: 'SITE_FULL' });
    report(migrations, 'b', 3, ['y', 'z']);
    migrations.apply(decided('w', 2));
    expect(refusal(migrations), 'an older heartbeat is ignored').toMatchObject({ code: 'SITE_FULL' });
    report(migrations, 'b', 9, ['z']);
    migrations.apply(decided('w', 3));
    expect(outputOf(migrations)).toContain('accepted');
  });

  test('ignores a repeat of the refused decision, also with room and after a restart', () => {
    const migrations = world(['y', 'z']);
    migrations.apply(decided('v', 1));
    const [record] = migrations.drain().records;
    const restarted = migrations.withoutMigrations();
    restarted.restore(record!);
    report(restarted, 'b', 1, []);
    restarted.apply(decided('v', 1));
    expect(outputOf(restarted)).toEqual([]);
    restarted.apply(decided('v', 2));
    expect(outputOf(restarted)).toContain('accepted');
  });

  test('stays full after a restart', () => {
    const migrations = world(['y']);
    migrations.apply(decided('v', 1));
    const [record] = migrations.drain().records;
    complete(migrations, 'v:1', 5);
    const restarted = migrations.withoutMigrations();
    restarted.restore(record!);
    restarted.resume(6);
    restarted.drain();
    restarted.apply(decided('w', 1));
    expect(refusal(restarted)).toMatchObject({ code: 'SITE_FULL' });
  });
});
