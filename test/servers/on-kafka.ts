/** Tests that need Apache Kafka. Without it they are skipped by name; in CI they fail. */
import { execFileSync } from 'node:child_process';
import { describeNeeding } from '../needing.ts';

const PREREQUISITES = new URL('../../deploy/servers/kafka/prerequisites.sh', import.meta.url).pathname;

/** Registers tests that need Apache Kafka. */
export function onKafka(name: string, tests: () => void): void {
  describeNeeding('Apache Kafka', missing(), name, tests);
}

function missing(): string | undefined {
  try {
    execFileSync('sh', [PREREQUISITES, '--check'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return undefined;
  } catch (error) {
    return (error as { stdout: string }).stdout.trim().split('\n').join(' ');
  }
}
