/** False answers of a site's agent. */
import type { ServerResponse } from 'node:http';
import fc from 'fast-check';
import type { Lie } from './fake-agents.ts';

const answer = (response: ServerResponse, status: number, text: string) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(text);
};
const CONTROL_TEXT = 'x\u001b]0;pwned\u0007\u001b[31mRED\n\r\u202eabc <img src=x onerror=alert(1)>';
/** An address with further commands for `ip -batch`. */
const INJECTION = '10.9.9.9 dstport 4789\nnetns add z\nnetns exec z sh -c "id"\n#';

/** Answers of a wrong form. None of them keeps its connection open for long. */
export const FORMS: Readonly<Record<string, Lie>> = {
  endless(response) {
    response.writeHead(200);
    const piece = 'a'.repeat(2 ** 20);
    const more = () => {
      while (!response.destroyed && response.write(piece));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  },
  'an endless refusal': (response) => answer(response, 409, `{"error":{"code":"X","message":"${'A'.repeat(2e6)}`),
  'a refusal of 2 MB': (response) =>
    answer(response, 409, JSON.stringify({ error: { code: 'GUEST_REFUSED', message: 'A'.repeat(2e6) } })),
  'a refusal of 50 kB': (response) =>
    answer(response, 409, JSON.stringify({ error: { code: 'GUEST_REFUSED', message: 'é'.repeat(25e3) } })),
  'a refusal with control characters': (response) =>
    answer(response, 409, JSON.stringify({ error: { code: CONTROL_TEXT, message: CONTROL_TEXT } })),
  'a refusal without a message': (response) => answer(response, 500, '{}'),
  'huge headers': (response) =>
    void response.socket!.end(`HTTP/1.1 200 OK\r\n${`x: ${'a'.repeat(1e5)}\r\n`.repeat(20)}`),
  'no HTTP': (response) => void response.socket!.end('SSH-2.0-OpenSSH\r\n'),
  'half an answer': (response) => {
    response.writeHead(200, { 'content-length': 1000 });
    response.write('{"atMs":');
    setTimeout(() => response.destroy(), 5);
  },
  nothing: (response) => void response.socket!.destroy(),
  html: (response) => answer(response, 200, '<html>'),
  'an empty body': (response) => answer(response, 200, ''),
  null: (response) => answer(response, 200, 'null'),
  list: (response) => answer(response, 200, '[]'),
  'deep nesting': (response) => answer(response, 200, '['.repeat(30_000) + ']'.repeat(30_000)),
  'a prototype': (response) => answer(response, 200, '{"__proto__":{"atMs":1,"instance":{}},"constructor":1}'),
};

/** False values. */
const FALSE: fc.Arbitrary<unknown> = fc.constantFrom(
  ...[
    1e308,
    -1e308,
    -0,
    1e16,
    -1,
    0.5,
    65_536,
    '',
    'x'.repeat(60_000),
    CONTROL_TEXT,
    INJECTION,
    'constructor',
    '__proto__',
  ],
  ...[
    null,
    true,
    {},
    [],
    [[]],
    { x: 1 },
    Array(3000).fill('x'),
    '127.0.0.1',
    '::1%lo',
    'localhost',
    '0.0.0.0',
    'v-other',
  ],
  ...['running', 'received', 'handed-over', 'dead', 'failed', 'whole', 'lost'],
);

/** Replaces, adds or removes one value of an honest answer. */
export const changes: fc.Arbitrary<Lie> = fc
  .record({ place: fc.nat(1000), how: fc.constantFrom('replace', 'omit', 'add'), value: FALSE, key: fc.nat(10) })
  .map(({ place, how, value, key }) => (response, honest) => {
    const body = structuredClone(honest.body) as Record<string, unknown>;
    const places: [Record<string, unknown>, string][] = [];
    const walk = (node: Record<string, unknown>) => {
      for (const [name, child] of Object.entries(node)) {
        places.push([node, name]);
        if (typeof child === 'object' && child !== null) walk(child as Record<string, unknown>);
      }
    };
    walk(body);
    const [node, name] = places[place % places.length]!;
    const added = [
      'copy',
      'disk',
      'carriage',
      'failure',
      'migration',
      'arrivedBy',
      'stoppedAtMs',
      'resumedAtMs',
      'postCopy',
    ];
    if (how === 'replace') node[name] = value;
    else if (how === 'omit') delete node[name];
    else ((body.instance ?? body) as Record<string, unknown>)[added[key % added.length]!] = value;
    answer(response, honest.status, JSON.stringify(body));
  });
