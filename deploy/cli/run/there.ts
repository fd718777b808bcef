/** Finds out which processes run at the addresses that a command was given. */
import { fetchAnswer } from '#shared/http/answer.ts';
import { foreignText } from '#shared/text.ts';
import { basesOf, reasonOf, type ServerOptions } from './client.ts';

/** A process that was asked, and its fault, if it has one. */
export interface Asked {
  readonly base: string;
  /** The services that run there; undefined if no Tagalong process answers. */
  readonly services: readonly string[] | undefined;
  /** Why it cannot be used, or not fully; undefined where all is well. */
  readonly fault: string | undefined;
}

const LIMITS = { mostBytes: 100_000, withinMs: 15_000 };
const LONGEST_REASON = 300;

/**
 * Asks each address which services run there, and whether they are ready. @throws TagalongError USAGE if an address is malformed
 */
export function whoIsThere(options: ServerOptions): Promise<Asked[]> {
  return Promise.all(basesOf(options).map(whoIsAt));
}

async function whoIsAt(base: string): Promise<Asked> {
  try {
    const { text } = await fetchAnswer(`${base}/readyz`, { redirect: 'manual' }, LIMITS);
    const services = servicesIn(text);
    if (services === undefined) return { base, services, fault: 'is not Tagalong' };
    const unready = services.filter(({ status }) => status !== 'ready');
    const reasons = Map.groupBy(unready, ({ reason = 'no reason given' }) => reason);
    const faults = [...reasons].map(([reason, same]) => `${same.map(({ service }) => service).join(', ')}: ${reason}`);
    const names = services.map(({ service }) => service);
    return { base, services: names, fault: faults.length === 0 ? undefined : `is not ready: ${faults.join('; ')}` };
  } catch (error) {
    return { base, services: undefined, fault: `does not answer (${reasonOf(error)})` };
  }
}

interface Readiness {
  readonly service: string;
  readonly status: string;
  readonly reason?: string;
}

function servicesIn(text: string): Readiness[] | undefined {
  try {
    const { services } = JSON.parse(text) as { services?: Partial<Readiness>[] };
    return services?.map(({ service, status, reason }) => ({
      service: foreignText(String(service), LONGEST_REASON),
      status: String(status),
      ...(reason !== undefined && { reason: foreignText(String(reason), LONGEST_REASON) }),
    }));
  } catch {
    return undefined;
  }
}
