/** Which series an expression of PromQL asks for. */

/** Names of metrics, with the labels that are asked for or summed over beside them. */
export interface Asked {
  readonly names: readonly string[];
  readonly labels: readonly string[];
}

/** Metrics that Prometheus makes itself. */
export const PROMETHEUS_OWN: readonly string[] = ['up', 'ALERTS'];

/** @param expr PromQL as the dashboard and the alerts use it: names in front of `{`, `[`, `)` and operators */
export function asked(expr: string): Asked {
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
  // A word that is followed by a bracket is a function.
  const words = [...rest.matchAll(/\b([a-z_]\w*)\b(?!\s*\()/gi)].map(([, word]) => word!);
  return { names: words.filter((word) => !['or', 'and', 'unless', 'sum', 'max', 'count'].includes(word)), labels };
}
