/** `ip` and `tc`, many lines at a time, inside a namespace. */
import { execFile } from 'node:child_process';

/** @throws Error that names the namespace and the lines where one of them is refused */
export async function batch(namespace: string, program: 'ip' | 'tc', lines: readonly string[]): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = execFile('ip', ['netns', 'exec', namespace, program, '-batch', '-'], (error, _out, err) =>
      error ? reject(new Error(`${namespace}: ${program}: ${err.trim()}\n${lines.join('\n')}`)) : resolve(),
    );
    child.stdin!.end(`${lines.join('\n')}\n`);
  });
}
