import { describe, expect, test } from 'vitest';
import { PHASES } from '#shared/events/index.ts';
import { doneAt, moveOf, SMALL_VM, world } from '../world.ts';

const ONE_PATH = [{ provider: 'isp1', rateBps: 125e6 }];
const TWO_PATHS = [...ONE_PATH, { provider: 'isp2', rateBps: 125e6 }];

describe('a VM', () => {
  test('runs at no site during its switch-over, and at two after a second start', () => {
    const simulated = world();
    simulated.sites(TWO_PATHS, 'a', 'b', 'c');
    const { hypervisor, clock } = simulated;
    hypervisor.startVm('vm', 'a');
    const move = moveOf('vm', 'a', 'b');
    simulated.drive(move, 'memory');
    simulated.settle();
    hypervisor.begin('switch', move);
    expect(hypervisor.running('vm')).toEqual([]);
    // The source still holds it, so that a heartbeat does not report it lost.
    expect(hypervisor.vmsAt('a')).toEqual(['vm']);
    simulated.settle();
    expect(hypervisor.running('vm')).toEqual(['b']);
    expect([hypervisor.vmsAt('a'), hypervisor.vmsAt('b')]).toEqual([[], ['vm']]);

    hypervisor.startVm('vm', 'c');
    expect(hypervisor.running('vm')).toEqual(['b', 'c']);
    clock.advanceTo(clock.now() + 1);
    hypervisor.begin('prepare', moveOf('vm', 'b', 'a'));
    simulated.settle();
    expect(simulated.reportsOf('vm:b>a')).toEqual(['failed prepare VM_ELSEWHERE']);
  });

  test('that is removed during a move is at no site, and the step fails', () => {
    const simulated = world();
    simulated.sites(TWO_PATHS, 'a', 'b');
    simulated.hypervisor.startVm('vm', 'a');
    simulated.drive(moveOf('vm', 'a', 'b'));
    simulated.clock.advanceTo(3000);
    simulated.hypervisor.remove('vm');
    simulated.settle();
    expect(simulated.reportsOf('vm:a>b').at(-1)).toBe('failed memory NO_SUCH_VM');
    expect(simulated.hypervisor.running('vm')).toEqual([]);
    expect(simulated.hypervisor.vmsAt('a')).toEqual([]);
  });

  test('can move back before the release of its last move', () => {
    const simulated = world();
    simulated.sites(TWO_PATHS, 'a', 'b');
    simulated.hypervisor.startVm('vm', 'a');
    const there = moveOf('vm', 'a', 'b');
    simulated.drive(there, 'switch');
    simulated.settle();
    simulated.drive(moveOf('vm', 'b', 'a'));
    simulated.settle();
    simulated.hypervisor.begin('release', there);
    simulated.settle();
    expect(simulated.reportsOf(there.id).at(-1)).toBe('done release');
    expect(simulated.hypervisor.running('vm')).toEqual(['a']);
  });

  test('stays if an old move is ordered again after newer ones', () => {
    const simulated = world();
    simulated.sites(TWO_PATHS, 'a', 'b', 'c');
    simulated.hypervisor.startVm('vm', 'a');
    for (const [from, to] of [
      ['a', 'b'],
      ['b', 'c'],
    ] as const) {
      simulated.drive(moveOf('vm', from, to));
      simulated.settle();
    }
    simulated.hypervisor.begin('prepare', moveOf('vm', 'a', 'b'));
    simulated.settle();
    expect(simulated.reportsOf('vm:a>b').at(-1)).toBe('failed prepare VM_ELSEWHERE');
    expect(simulated.hypervisor.running('vm')).toEqual(['c']);
  });
});

describe('an abort', () => {
  const MOVE = moveOf('vm', 'a', 'b', { ...SMALL_VM, diskBytes: 1e9 });

  test.each(PHASES.slice(0, 5))('in the middle of %s gives the last report of the move', (step) => {
    const simulated = world();
    simulated.sites(TWO_PATHS, 'a', 'b');
    simulated.hypervisor.startVm('vm', 'a');
    simulated.drive(MOVE, step);
    const before = PHASES[PHASES.indexOf(step) - 1];
    while (before && doneAt(simulated, MOVE.id, before) === undefined) simulated.clock.step(Number.POSITIVE_INFINITY);
    simulated.clock.advanceTo(simulated.clock.now() + 10);
    simulated.hypervisor.abort(MOVE);
    const abortedMs = simulated.clock.now();
    simulated.settle();
    expect(simulated.reportsOf(MOVE.id).at(-1)).toBe('aborted');
    expect(simulated.reportsOf(MOVE.id)).not.toContain(`done ${step}`);
    // No callback of the move remains.
    expect(simulated.clock.now()).toBe(abortedMs);
    expect(simulated.hypervisor.running('vm')).toEqual(['a']);
    expect([simulated.hypervisor.vmsAt('a'), simulated.hypervisor.vmsAt('b')]).toEqual([['vm'], []]);
  });

  test('from the listener of a round ends the copy', () => {
    const simulated = world();
    const { hypervisor, clock } = simulated;
    simulated.sites(TWO_PATHS, 'a', 'b');
    hypervisor.startVm('vm', 'a');
    simulated.drive(MOVE, 'disk');
    simulated.settle();
    const reported: string[] = [];
    hypervisor.listen((report) => {
      reported.push(report.kind);
      if (report.kind === 'progress') hypervisor.abort(MOVE);
    });
    hypervisor.begin('memory', MOVE);
    while (clock.step(Number.POSITIVE_INFINITY));
    expect(reported).toEqual(['progress', 'aborted']);
  });
});

describe('the hypervisor refuses', () => {
  test('a move without a common provider, to an unknown site, or to the site of the VM', () => {
    const simulated = world();
    simulated.sites(ONE_PATH, 'a');
    simulated.sites([{ provider: 'other', rateBps: 1e8 }], 'b');
    simulated.hypervisor.startVm('vm', 'a');
    for (const to of ['b', 'nowhere', 'a']) simulated.drive(moveOf('vm', 'a', to));
    simulated.settle();
    expect(simulated.reportsOf('vm:a>b')).toEqual(['failed prepare NO_PATH']);
    expect(simulated.reportsOf('vm:a>nowhere')).toEqual(['failed prepare NO_PATH']);
    expect(simulated.reportsOf('vm:a>a')).toEqual(['failed prepare BAD_ORDER']);
    expect(simulated.hypervisor.running('vm')).toEqual(['a']);
  });

  test('a VM at an unknown site', () => {
    expect(() => world().hypervisor.startVm('vm', 'nowhere')).toThrow(
      expect.objectContaining({ code: 'SITE_UNKNOWN' }) as Error,
    );
  });
});
