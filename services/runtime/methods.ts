/** Requests with an existing path and a wrong method are answered with 405 and `allow` (RFC 9110, section 15.5.6). */
import type { FastifyInstance } from 'fastify';

/** The methods that exist for a request's path, sorted; none where the path does not exist. */
export type MethodsOf = (url: string) => readonly string[];

/** Remembers the routes that are registered from now on. */
export function rememberMethods(app: FastifyInstance): MethodsOf {
  const methods = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ path, method }) => {
    const known = methods.get(path) ?? new Set<string>();
    for (const one of [method].flat()) known.add(one);
    methods.set(path, known);
  });
  return (url) => {
    const segments = url.split('?', 1)[0]!.split('/');
    const fitting = [...methods].filter(([path]) => fits(segments, path.split('/')));
    return [...new Set(fitting.flatMap(([, known]) => [...known]))].sort();
  };
}

/** @param pattern segments of a registered path, of which `:name` stands for any one */
function fits(segments: readonly string[], pattern: readonly string[]): boolean {
  return (
    segments.length === pattern.length &&
    pattern.every((wanted, i) => (wanted.startsWith(':') ? segments[i] !== '' : segments[i] === wanted))
  );
}
