/** The addresses of a site's uplinks: those that its agent names are compared with the declared ones. */
import { isIPv4, SocketAddress } from 'node:net';
import { TagalongError } from '../../errors.ts';
import type { Endpoint } from './protocol.ts';

/** An uplink as the configuration or an operator declares it. */
export interface DeclaredUplink {
  readonly provider: string;
  /** Absent: the agent may name any address. */
  readonly address?: string | undefined;
}

/**
 * Refuses an agent's endpoints where the site is declared with another address for that provider.
 * @throws TagalongError UPLINK_ADDRESS_DIFFERS
 */
export function refuseOtherAddresses(
  site: string,
  endpoints: readonly Endpoint[],
  uplinks: readonly DeclaredUplink[],
): void {
  for (const { provider, address: named } of endpoints) {
    const declared = uplinks.find((uplink) => uplink.provider === provider)?.address;
    if (declared === undefined || plain(declared) === plain(named)) continue;
    throw new TagalongError(
      'UPLINK_ADDRESS_DIFFERS',
      `${site}: its agent names ${named} for its uplink to ${provider}, and the site is declared with ${declared}; correct endpoints of the agent, or the address of the uplink`,
    );
  }
}

/** One text for each address: IPv6 has several. */
function plain(address: string): string {
  const family = isIPv4(address) ? 'ipv4' : 'ipv6';
  return new SocketAddress({ address, family }).address;
}
