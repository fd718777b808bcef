/** Formats figures for people. */

/** `87 ms`, `12.3 s`, `4 min 05 s`, `2 h 10 min` */
export function duration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 99_950) return `${(ms / 1000).toFixed(1)} s`;
  const s = Math.round(ms / 1000);
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, '0')} s`;
  const min = Math.round(s / 60);
  return `${Math.floor(min / 60)} h ${String(min % 60).padStart(2, '0')} min`;
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** `512 B`, `1.24 GB`: powers of ten, three significant digits. */
export function bytes(n: number): string {
  let unit = 0;
  let value = n;
  // 999.5 would be rounded to 1000.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return unit === 0 ? `${Math.round(value)} B` : `${digits(value)} ${UNITS[unit]}`;
}

/** Three significant digits: `1.24`, `12.4`, `124`, `1240`. */
export function digits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

/** 0.4217 → `42.2 %` */
export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** `06:42:10`, in UTC */
export function timeOfDay(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 19);
}

/** `2026-03-02 11:00:00 UTC` */
export function instant(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 10)} ${timeOfDay(atMs)} UTC`;
}

/** 1, 'move' → `1 move`; 2, 'move' → `2 moves` */
export function counted(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
