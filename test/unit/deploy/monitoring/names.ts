/** Parses the metrics and labels of a PromQL expression. */

/** The names of metrics in an expression, and the labels that it matches or groups by. */
export interface Queried {
  readonly names: readonly string[];
  readonly labels: readonly string[];
}

/** Metrics of Prometheus itself. */
export const PROMETHEUS_OWN: readonly string[] = ['up', 'ALERTS'];

/** @param expr PromQL in the form of the dashboard and the alerts: a name stands before `{`, `[`, `)` or an operator */
export function queried(expr: string): Queried {
  const bare = expr.replaceAll(/"[^"]*"/g, '""');
  const matchers = [...bare.matchAll(/\{([^}]*)\}/g)].flatMap(([, inside]) => inside!.split(','));
  const grouped = [...bare.matchAll(/\b(?:by|on)\s*\(([^)]*)\)/g)].flatMap(([, inside]) => inside!.split(','));
  const labels = [...matchers.map((matcher) => matcher.split(/[=!]/)[0]!), ...grouped]
    .map((label) => label.trim())
    .filter((label) => label !== '');
  const rest = bare
    .replaceAll(/\{[^}]*\}/g, '')
    .replaceAll(/\[[^\]]*\]/g, '')
    .replaceAll(/\b(?:by|on)\s*\([^)]*\)/g, '');
  // A word before a bracket is a function.
  const words = [...rest.matchAll(/\b([a-z_]\w*)\b(?!\s*\()/gi)].map(([, word]) => word!);
  return { names: words.filter((word) => !['or', 'and', 'unless', 'sum', 'max', 'count'].includes(word)), labels };
}
