/** Writes runs as CSV (RFC 4180), one row each, for spreadsheets and statistics programs. */
import { FIGURE_NAMES, FIGURES } from '#simulations/figures.ts';
import type { SeededRun } from '#simulations/seeds.ts';

/** The columns' names contain the units; numbers have the format of JSON. */
export function csvOf(runs: readonly SeededRun[]): string {
  const head = ['policy', 'seed', 'users', 'vms', 'sites', 'fromMs', 'toMs', ...FIGURE_NAMES];
  const rows = runs.map((run) => [
    quoted(run.policy),
    ...[run.seed, run.users, run.vms, run.sites, run.fromMs, run.toMs].map(String),
    ...FIGURE_NAMES.map((name) => String(FIGURES[name](run))),
  ]);
  return [head, ...rows].map((row) => `${row.join(',')}\n`).join('');
}

/** Quotes a text if necessary: the parameters in a policy's name have commas between them. */
function quoted(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
