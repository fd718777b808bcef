import { TagalongError } from '#shared/errors.ts';
import { digits, duration } from '#shared/format.ts';
import type { SiteStays } from '#shared/policy/state/forecast.ts';
import { table } from '../output/table.ts';
import { ask, type ServerOptions } from './client.ts';

export type StaysOptions = ServerOptions;

/** How many sites before and after are named beside each site. */
const NAMED = 3;
const STAYS = { head: 'stays', align: 'right' } as const;
const MEDIAN = { head: 'half are longer than', align: 'right' } as const;

/**
 * Prints what has been learned of the users' stays. Every placement knows the same, so one of them is asked.
 * @param site all of one site; undefined: a line a site
 * @throws TagalongError SITE_UNKNOWN where nobody was seen to stay there; SERVER_UNREACHABLE
 */
export async function runStays(site: string | undefined, options: StaysOptions): Promise<void> {
  const { sites } = await ask<{ sites: SiteStays[] }>(options, 'GET', '/v1/stays');
  const shown = site === undefined ? sites : sites.filter((each) => each.site === site);
  if (site !== undefined && shown.length === 0) {
    throw new TagalongError('SITE_UNKNOWN', `no stay at "${site}" is known; "tagalong stays" lists the sites`);
  }
  const text = () => (site === undefined ? all(shown) : one(shown[0]!));
  process.stdout.write(options.json ? `${JSON.stringify({ sites: shown })}\n` : text());
}

function all(sites: readonly SiteStays[]): string {
  if (sites.length === 0) return 'No stay has ended yet: stays count some minutes after their end.\n';
  const names = (others: readonly { readonly site: string }[]) =>
    others
      .slice(0, NAMED)
      .map(({ site }) => site)
      .join(', ');
  return table(
    [
      { head: 'site' },
      ...[STAYS, MEDIAN],
      { head: 'a tenth is longer than', align: 'right' },
      ...[{ head: 'most come from' }, { head: 'most go to' }],
    ],
    sites.map(({ site, stays, medianMs, longMs, from, to }) => [
      ...[site, digits(stays), duration(medianMs), duration(longMs), names(from), names(to)],
    ]),
  );
}

function one({ site, stays, medianMs, longMs, from, to }: SiteStays): string {
  const head = `${site}: ${digits(stays)} stays, half of them longer than ${duration(medianMs)}, a tenth longer than ${duration(longMs)}\n`;
  const came = table(
    [{ head: 'come from' }, STAYS, MEDIAN],
    from.map((way) => [way.site, digits(way.stays), duration(way.medianMs)]),
  );
  const went = table(
    [{ head: 'go to' }, STAYS],
    to.map((way) => [way.site, digits(way.stays)]),
  );
  return `${head}${came}${went}`;
}
