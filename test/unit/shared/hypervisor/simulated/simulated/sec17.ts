import type { MoveModel } from '#shared/model/move-model.ts';

/**
 * The laboratory testbed of Chaufournier et al., "Fast Transparent Virtual Machine Migration in Distributed Edge
 * Clouds", SEC'17 (doi:10.1145/3132211.3134445): KVM of 2017, two equal paths of 100-1000 Mb/s, 60 ms RTT.
 *
 * Calibrated on its Figures 10 and 11. A line through Figure 11 (2-16 GB at 500 Mb/s a path) gives 6.4 s + 17.8 s/GB for
 * TCP and 11.9 s + 9.1 s/GB for MPTCP. The constant terms are `prepareMs`, and the slope for TCP is 483 Mb/s of 500 for one path.
 * Several paths carry 0.90 of their sum; this value is between that line and Figure 10, because the paper's figures for this case
 * differ by 14 % among themselves. The hosts' limit of 1.5 Gb/s explains why 1000 Mb/s a path gains little in Figure 10.
 * `prepareMs` includes the times of all steps, so the other steps take 0 ms.
 */
export const SEC17_MOVE_MODEL: MoveModel = {
  efficiency: { single: 0.966, multi: 0.9 },
  hostRateBps: 187_500_000,
  prepareMs: { single: 6_400, multi: 11_900 },
  announceMs: 0,
  resumeMs: 0,
  releaseMs: 0,
  maxRounds: 30,
  maxPauseMs: 5_000,
  dirtying: 'saturating',
};
