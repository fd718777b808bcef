/** The head of a report: the subject of the simulation, and its result in one sentence. */
import { basename } from 'node:path';
import { lossWords, samplingWords } from '#services/replay/traces/words.ts';
import { counted, digits, duration, instant } from '#shared/format.ts';
import type { Comparison } from '../simulate.ts';
import { type Html, html } from './html.ts';
import type { Yardstick } from './yardstick.ts';

/** The origin of a report. */
export interface Edition {
  /** The command line, as typed. */
  readonly command: string;
  /** The version of Tagalong. */
  readonly version: string;
  /** The file or the folder that positions were read from. */
  readonly tracePath?: string;
}

/** The header of the page. @param names of the policies, in the order of the runs */
export function head(comparison: Comparison, names: readonly string[], yardstick: Yardstick, edition: Edition): Html {
  const { runs, trace, scenario, seeds } = comparison;
  const { users, vms, sites, fromMs, toMs } = runs[0]!;
  const origin = originOf(comparison, edition);
  const facts: [string, string][] = [
    ['Movements', origin],
    ...(trace
      ? ([['Positions', `${trace.rows.toLocaleString('en')} rows, ${samplingWords(trace)}${lossWords(trace)}`]] as [
          string,
          string,
        ][])
      : []),
    ['Who and where', `${counted(users, 'user')}, ${counted(vms, 'VM')}, ${counted(sites, 'site')}`],
    ['When', `${periodWords(fromMs, toMs)} (${duration(toMs - fromMs)})`],
    ...(trace?.format.startsWith('generated') || scenario !== undefined
      ? ([['Seeds', seedWords(seeds)]] as [string, string][])
      : []),
    ['Policies', names.join(', ')],
    ['Made by', `Tagalong ${edition.version}`],
  ];
  return html`<header>
<p class="eyebrow">Tagalong · simulation report</p>
<h1>${titleOf(names)}</h1>
<p class="verdict">${verdict(comparison, names, yardstick)}</p>
<dl class="facts">${facts.map(([term, text]) => html`<div><dt>${term}</dt><dd>${text}</dd></div>`)}</dl>
<pre class="command" tabindex="0" aria-label="Command">${edition.command}</pre>
</header>`;
}

function titleOf(names: readonly string[]): string {
  if (names.length === 1) return `What “${names[0]}” comes to`;
  if (names.length <= 3) return `${names.slice(0, -1).join(', ')} and ${names.at(-1)} compared`;
  return `${names.length} policies compared`;
}

function originOf({ trace, scenario }: Comparison, { tracePath }: Edition): string {
  if (scenario !== undefined) return `the shipped scenario ${scenario}, which is made up`;
  if (tracePath !== undefined) return `${basename(tracePath)} (${trace!.format})`;
  return `made up: ${trace!.format.replace(/^generated /, '').replaceAll(',', ', ')}`;
}

/** A period in words. It names the day once if both ends lie on the same day. */
function periodWords(fromMs: number, toMs: number): string {
  const [from, to] = [instant(fromMs), instant(toMs)];
  return `${from.slice(0, -4)} – ${from.slice(0, 10) === to.slice(0, 10) ? to.slice(11) : to}`;
}

function seedWords(seeds: readonly number[]): string {
  return seeds.length === 1 ? String(seeds[0]) : `${seeds[0]} to ${seeds.at(-1)}: ${seeds.length} runs of each policy`;
}

/** The result in one sentence: the cheapest policy, and how much more the others cost. */
function verdict(
  { runs, seeds }: Comparison,
  names: readonly string[],
  { costs, least, ofOptimum, base }: Yardstick,
): string {
  const seconds = (userMs: number) => `${Math.round(userMs / 1000).toLocaleString('en')}\u00a0user-seconds`;
  const mean = seeds.length > 1 ? ', on average over the seeds' : '';
  if (runs[0]!.users === 0) return 'No user had a VM: none of the positions counted, or no site had room.';
  const others = names
    .map((name, i) => ({ name, i, more: costs[i]! / costs[least]! - 1 }))
    .filter(({ i }) => i !== least && i !== base)
    .map(({ name, more }) => `${name} ${Number.isFinite(more) ? `${digits(more * 100)}\u00a0%` : 'infinitely'} more`);
  const lead = `${names[least]} costs least: ${seconds(costs[least]!)}${mean}`;
  const bound = ofOptimum ? `, ${(costs[least]! / costs[base]!).toFixed(3)} times the optimum` : '';
  return others.length === 0 || others.length > 4 ? `${lead}${bound}.` : `${lead}${bound}. ${others.join(', ')}.`;
}
