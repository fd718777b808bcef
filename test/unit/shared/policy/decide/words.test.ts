import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { explanationText } from '#deploy/cli/output/explanation.ts';
import { type Explained, inPlainWords } from '#shared/policy/decide/words.ts';

const PREDICTION = {
  durationMs: 12_300,
  interruptionMs: 87,
  bytes: 1_240_000_000,
  costUserMs: 112,
  benefitUserMs: 2500,
};

/** A VM at the site west, which the site east would serve better. */
const EXPLAINED: Explained = {
  vm: 'desk',
  home: 'west',
  state: 'settled',
  policy: 'tagalong',
  reason: 'better-site',
  sessions: 2,
  homeServingUserMsPerS: 10,
  expectedStayMs: 600_000,
  oldestFixAgeMs: 20_000,
  candidates: [
    { site: 'east', servingUserMsPerS: 5.5, prediction: PREDICTION },
    { site: 'south', servingUserMsPerS: 7, prediction: PREDICTION },
    { site: 'west', servingUserMsPerS: 10 },
  ],
};
const better = 'east would serve its 2 users better by 4.50 user-milliseconds a second';
const refused = (rejected: string): Explained['candidates'] => [
  { site: 'east', servingUserMsPerS: 5.5, prediction: PREDICTION, rejected },
  { site: 'west', servingUserMsPerS: 10 },
];

describe('why a VM stays or goes', () => {
  test.each<[Partial<Explained>, string]>([
    [{ state: 'idle', reason: 'nobody-attached' }, 'desk stays at west: nobody is attached to it.'],
    [{ state: 'idle', reason: 'no-position' }, 'desk stays at west: none of its users has reported a position yet.'],
    [
      { state: 'idle', reason: 'users-silent' },
      'desk stays at west: none of its users has reported a position for too long.',
    ],
    [
      { candidates: [{ site: 'west', servingUserMsPerS: 10 }], sessions: 1, reason: 'home-is-best' },
      'desk stays at west: no site serves its 1 user better.',
    ],
    [
      {
        state: 'cooling',
        reason: 'home-is-best',
        lastMove: { to: 'east', ended: 'cancelled', reason: 'policy: overtaken', atMs: 0 },
      },
      'desk stays at west: its last move has only just ended: the move to east was cancelled because its users turned back. It can move again when policy.coolingMs has passed.',
    ],
    [
      {
        state: 'backing-off',
        reason: 'move-failed',
        lastMove: { to: 'east', ended: 'failed', reason: 'AGENT_UNREACHABLE', atMs: 0 },
      },
      'desk stays at west: its last move failed (to east: AGENT_UNREACHABLE). The next attempt follows when policy.backOffMs has passed, and later after each further failure.',
    ],
    [{ reason: 'gain-too-small' }, `desk stays at west: ${better}, which is too little ever to be worth the move.`],
    [
      { state: 'drifting' },
      `desk is still at west: ${better}; it moves as soon as this has lasted long enough to be worth the move.`,
    ],
    [
      { state: 'drifting', reason: 'users-quiet' },
      `desk is still at west: ${better}, but none of its users has reported a position lately; it moves when a user reports a position.`,
    ],
    [
      {
        state: 'drifting',
        reason: 'users-quiet',
        absence: { sinceMs: 0, silentMs: 95_000, everyMs: 12_000 },
      },
      `desk is still at west: ${better}, but its last user reports every 12.0 s and has been silent for 95.0 s; it moves when a user reports a position.`,
    ],
    [{}, `desk stays at west: ${better}, which is not worth the cost of the move.`],
    [
      { state: 'drifting', candidates: refused('no-path') },
      `desk stays at west: ${better}, but no network path leads there. It can move there when both sites have an uplink of the same provider; waiting does not help.`,
    ],
    [
      { state: 'drifting', candidates: refused('full') },
      `desk stays at west: ${better}, but it is full. It can move there when a VM leaves it.`,
    ],
    [
      { state: 'drifting', candidates: refused('draining') },
      `desk stays at west: ${better}, but it is draining. It can move there when an operator ends the drain (tagalong drain SITE --off).`,
    ],
    [
      { state: 'drifting', candidates: refused('automation-paused') },
      `desk stays at west: ${better}, but an operator has paused automatic moves. It can move there when an operator resumes them, on the dashboard or by PUT /v1/automation.`,
    ],
    [
      { state: 'drifting', candidates: refused('some-new-filter') },
      `desk stays at west: ${better}, but "some-new-filter" refuses it.`,
    ],
    [
      { state: 'cooling' },
      'desk stays at west: its last move has only just ended. It can move again when policy.coolingMs has passed.',
    ],
    [
      { state: 'drifting', candidates: refused('not-allowed') },
      `desk stays at west: ${better}, but the VM is not allowed to run there. It can move there when its declaration allows the site; waiting does not help.`,
    ],
    [
      {
        state: 'drifting',
        candidates: [{ site: 'north', servingUserMsPerS: 1, rejected: 'not-allowed' }, ...EXPLAINED.candidates],
      },
      `desk is still at west: ${better}; it moves as soon as this has lasted long enough to be worth the move.`,
    ],
    [
      { reason: 'with-lead', affinity: { preferenceUserMsPerS: 0, group: { lead: 'web', apartUserMsPerS: 1 } } },
      'desk stays at west with web, the lead of its group.',
    ],
    [
      {
        state: 'drifting',
        reason: 'with-lead-full',
        affinity: { preferenceUserMsPerS: 0, group: { lead: 'web', apartUserMsPerS: 1 } },
      },
      'desk is still at west: it is to follow web, but it is full. It can move there when a VM leaves it.',
    ],
    [
      { state: 'backing-off' },
      'desk stays at west: its last move failed. The next attempt follows when policy.backOffMs has passed, and later after each further failure.',
    ],
    [
      { state: 'evacuating', reason: 'home-not-allowed' },
      'desk must leave west, where it is not allowed to run. It leaves as soon as a site can accept it.',
    ],
    [
      { state: 'evacuating' },
      'desk must leave west, which is draining or silent. It leaves as soon as a site can accept it.',
    ],
  ])('%j', (differs, sentence) => {
    expect(inPlainWords({ ...EXPLAINED, ...differs }, undefined)).toBe(sentence);
  });

  test('names the destination of a moving VM', () => {
    expect(inPlainWords({ ...EXPLAINED, state: 'moving' }, 'east')).toBe('desk is moving from west to east.');
    expect(inPlainWords({ ...EXPLAINED, state: 'moving' }, undefined)).toContain('is about to leave west');
  });

  test('has a row for each candidate, with the prediction of a move and the filter that refuses it', () => {
    const text = explanationText({ ...EXPLAINED, candidates: refused('path-busy') }, undefined, 80);
    expect(text).toMatch(/^east +4\.50 +12\.3 s +87 ms +112 +2500 +path-busy$/m);
    expect(text).toMatch(/^west \(home\)$/m);
    expect(text).toMatch(/^active users +2; the oldest position is 20\.0 s old$/m);
  });

  test('what is declared of sites is told', () => {
    const affinity = { allowed: ['west', 'east'], preferred: ['east'], preferenceUserMsPerS: 12 };
    const text = explanationText({ ...EXPLAINED, affinity }, undefined, 80);
    expect(text).toMatch(/^allowed +west, east$/m);
    expect(text).toMatch(/^preferred +east$/m);
    expect(text).toMatch(/^elsewhere +costs 12\.0 user-milliseconds a second more$/m);
    expect(explanationText(EXPLAINED, undefined, 80)).not.toMatch(/^(allowed|elsewhere)/m);
  });

  test('fits a terminal of 80 columns', () => {
    const far = { ...EXPLAINED, vm: 'desktop-of-accounting', home: 'philadelphia' };
    const candidates = [
      { site: 'philadelphia', servingUserMsPerS: 10 },
      {
        site: 'new-york',
        servingUserMsPerS: 2.5,
        prediction: { ...PREDICTION, durationMs: 6e5 },
        rejected: 'automation-paused',
      },
    ];
    const lines = explanationText({ ...far, candidates }, undefined, 80).split('\n');
    expect(Math.max(...lines.map((line) => stripVTControlCharacters(line).length))).toBeLessThanOrEqual(80);
  });
});
