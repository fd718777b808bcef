import type { BenchReport, BenchRow } from '#deploy/bench/bench.ts';
import { digits } from '#shared/format.ts';
import { table } from './table.ts';

/** The report as tables: one for plain rows, and one for each group of compared set-ups, with a column for each set-up. */
export function benchTable({ bench, host, rows }: BenchReport): string {
  const plain = rows.filter(({ setUp }) => setUp === undefined);
  const groups = Map.groupBy(
    rows.filter(({ setUp }) => setUp !== undefined),
    ({ group, unit }) => `${group ?? bench}, ${unit}`,
  );
  const tables = [...groups].map(([head, of]) => setUpTable(head, of));
  if (plain.length > 0) tables.unshift(rowTable(bench, plain));
  return `${tables.join('\n')}${host.cpu}, ${host.cores} cores, ${host.arch}, Node ${host.node}\n`;
}

function rowTable(bench: string, rows: readonly BenchRow[]): string {
  const columns = [
    { head: bench },
    { head: 'value', align: 'right' as const },
    { head: 'unit' },
    { head: 'aim' },
    { head: '' },
  ];
  const lines = rows.map(({ metric, value, unit, aim, met }) => [
    metric,
    value >= 1000 ? Math.round(value).toLocaleString('en') : digits(value),
    unit,
    aim ?? '',
    verdict(met),
  ]);
  return table(columns, lines);
}

function setUpTable(head: string, rows: readonly BenchRow[]): string {
  const setUps = [...new Set(rows.map(({ setUp }) => setUp!))];
  const columns = [{ head }, ...setUps.map((setUp) => ({ head: setUp, align: 'right' as const }))];
  const lines = [...Map.groupBy(rows, ({ metric }) => metric)].flatMap(([metric, of]) => {
    const cells = (text: (row: BenchRow) => string) =>
      setUps.map((setUp) => of.filter((row) => row.setUp === setUp).map(text)[0] ?? '');
    const values = [metric, ...cells(({ value }) => value.toFixed(3))];
    if (of.every(({ aim }) => aim === undefined)) return [values];
    return [values, ['  aim', ...cells(({ aim, met }) => (aim === undefined ? '' : `${aim} ${verdict(met)}`))]];
  });
  return table(columns, lines);
}

function verdict(met: boolean | undefined): string {
  return met === undefined ? '' : met ? 'met' : 'missed';
}
