/** Runs many lines of `ip` or `tc` at a time in a namespace. */
import { execFile } from 'node:child_process';

/** @throws Error with the namespace and the lines, if one of them is refused */
export async function batch(namespace: string, program: 'ip' | 'tc', lines: readonly string[]): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = execFile('ip', ['netns', 'exec', namespace, program, '-batch', '-'], (error, _out, err) =>
      error ? reject(new Error(`${namespace}: ${program}: ${err.trim()}\n${lines.join('\n')}`)) : resolve(),
    );
    child.stdin!.end(`${lines.join('\n')}\n`);
  });
}
