/** The section of the most expensive VMs, with the reasons for their sites. */
import type { Candidate } from '#shared/events/index.ts';
import { bytes, counted, digits, duration, timeOfDay } from '#shared/format.ts';
import { inPlainWords, refusalWords } from '#shared/policy/decide/words.ts';
import type { ExplainedAt, VmCost } from '../report-data/vm-costs.ts';
import { type Html, html, NOTHING } from './html.ts';
import { dataTable } from './parts.ts';

/** The most expensive VMs of one policy's run. @param margin a move has to be worth so many times its cost */
export function worstVms(worst: readonly VmCost[], totalUserMs: number, margin: number): Html {
  if (worst.length === 0) return html`<p>No VM had users.</p>`;
  return html`${worst.map((cost, i) => {
    const costMs = cost.servingUserMs + cost.movingUserMs;
    const share = totalUserMs === 0 ? 0 : costMs / totalUserMs;
    return html`<details class="vm"${i === 0 ? html` open` : NOTHING}>
<summary><b>${cost.vm}</b> <span>${digits(costMs / 1000)} user-seconds (${(share * 100).toFixed(1)} % of all), ${counted(cost.moves, 'move')}, mean RTT ${cost.meanRttMs.toFixed(1)} ms</span></summary>
<p>${stayWords(cost)}</p>
${cost.explained === undefined ? html`<p>There is no explanation of that stay: it cost too little.</p>` : explanationHtml(cost.explained, margin)}
</details>`;
  })}`;
}

function stayWords({ worst, servingUserMs, movingUserMs }: VmCost): string {
  const { site, fromMs, toMs, userMs } = worst;
  const share = servingUserMs === 0 ? 0 : (100 * userMs) / servingUserMs;
  const moving = movingUserMs === 0 ? '' : ` All its moves cost ${digits(movingUserMs / 1000)}.`;
  return `Its costliest stay was at ${site}, from ${timeOfDay(fromMs)} to ${timeOfDay(toMs)} UTC (${duration(toMs - fromMs)}): ${digits(userMs / 1000)} user-seconds, ${share.toFixed(0)} % of what serving it cost.${moving}`;
}

function explanationHtml({ atMs, explanation }: ExplainedAt, margin: number): Html {
  const { home, homeServingUserMsPerS, expectedStayMs, candidates } = explanation;
  // If no site serves better, there is no prediction of a move to show.
  const better = candidates.some(({ prediction }) => prediction !== undefined);
  const numeric = (head: string) => ({ head, numeric: true });
  const table = dataTable(
    'Why here, why not there. Serving and gain in user-milliseconds a second, cost and worth in user-milliseconds',
    [
      { head: 'site' },
      numeric('serving'),
      numeric('gain'),
      ...(better ? ['a move takes', 'interrupts', 'data', 'costs', 'is worth'].map(numeric) : []),
      { head: 'why not there' },
    ],
    candidates.map((candidate) => [
      candidate.site === home ? `${candidate.site} (here)` : candidate.site,
      digits(candidate.servingUserMsPerS),
      candidate.site === home ? '' : digits(homeServingUserMsPerS - candidate.servingUserMsPerS).replace('-', '−'),
      ...(better ? moveCells(candidate) : []),
      judgement(candidate, home, margin),
    ]),
  );
  const stay = `Its users were expected to stay for ${duration(expectedStayMs)}.`;
  return html`<p>At ${timeOfDay(atMs)} UTC: ${inPlainWords(explanation, undefined)} ${stay}</p>${table}`;
}

/** The predicted duration, interruption, data, cost and benefit of a move there. */
function moveCells({ prediction }: Candidate): string[] {
  if (prediction === undefined) return ['', '', '', '', ''];
  const { durationMs, interruptionMs, bytes: sent, costUserMs, benefitUserMs } = prediction;
  return [duration(durationMs), duration(interruptionMs), bytes(sent), digits(costUserMs), digits(benefitUserMs)];
}

function judgement({ site, rejected, prediction }: Candidate, home: string, margin: number): string {
  if (site === home) return '';
  if (rejected !== undefined) return refusalWords(rejected);
  if (prediction === undefined) return 'it serves no better';
  const { costUserMs, benefitUserMs } = prediction;
  if (benefitUserMs < costUserMs) return 'the move would cost more than it is worth';
  if (benefitUserMs < margin * costUserMs) return `it is not worth ${margin} times its cost`;
  return 'it would be worth it, if they stay as long as expected';
}
