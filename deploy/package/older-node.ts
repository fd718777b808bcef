/**
 * Adds to Node 20 the parts of ES2024 and of Node's API that the installed command needs. The build adds this import as the first of
 * each program. A checkout runs on the pinned Node and does not need it.
 */

/** Adds a method if the runtime has none. It is not enumerable, as the runtime's own methods are not. */
function supply(owner: object, name: string, method: (...args: never[]) => unknown): void {
  if (name in owner) return;
  Object.defineProperty(owner, name, { value: method, writable: true, configurable: true, enumerable: false });
}

/** `Promise.withResolvers` of ES2024. */
function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: PromiseWithResolvers<T>['resolve'];
  let reject!: PromiseWithResolvers<T>['reject'];
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}

/** `Map.groupBy` of ES2024. */
function groupBy<K, T>(items: Iterable<T>, keyOf: (item: T, index: number) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  let index = 0;
  for (const item of items) {
    const key = keyOf(item, index++);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

/** `Object.groupBy` of ES2024. */
function groupAsObject<T>(items: Iterable<T>, keyOf: (item: T, index: number) => PropertyKey): Record<string, T[]> {
  return Object.assign(Object.create(null), Object.fromEntries(groupBy(items, keyOf)));
}

/** `URL.parse` of the URL standard. */
function parseUrl(text: string, base?: string): URL | null {
  return URL.canParse(text, base) ? new URL(text, base) : null;
}

supply(Promise, 'withResolvers', withResolvers);
supply(Map, 'groupBy', groupBy);
supply(Object, 'groupBy', groupAsObject);
supply(URL, 'parse', parseUrl);
