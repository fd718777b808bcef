/** The result format of all benchmarks, for people and for programs. */
import { arch, availableParallelism, cpus } from 'node:os';

/** One measured figure. */
export interface BenchRow {
  readonly metric: string;
  /** The circumstance of this measurement, if the row is measured under several: a column of the table `group`. */
  readonly setUp?: string;
  readonly group?: string;
  readonly value: number;
  readonly unit: string;
  /** The aim, in words: `>= 500000`. */
  readonly aim?: string;
  readonly met?: boolean;
}

/** The result of a benchmark. A missed aim is a result, not a failure. */
export interface BenchReport {
  readonly bench: string;
  readonly host: { readonly cpu: string; readonly cores: number; readonly arch: string; readonly node: string };
  readonly rows: readonly BenchRow[];
}

/** Combines rows with a description of the machine that they were measured on. */
export function benchReport(bench: string, rows: readonly BenchRow[]): BenchReport {
  const cpu = cpus()[0]?.model ?? 'unknown';
  return { bench, host: { cpu, cores: availableParallelism(), arch: arch(), node: process.version }, rows };
}

/** A row with an aim that the value is to reach. */
export function atLeast(metric: string, value: number, unit: string, aim: number): BenchRow {
  return { metric, value, unit, aim: `>= ${aim}`, met: value >= aim };
}

/** A row with an aim that the value is not to exceed. */
export function atMost(metric: string, value: number, unit: string, aim: number): BenchRow {
  return { metric, value, unit, aim: `<= ${aim}`, met: value <= aim };
}

/** The median of repeated measurements. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
