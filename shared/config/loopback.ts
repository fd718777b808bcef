/** Addresses that only this host can reach, and addresses that nobody on the way can pretend to be. */

/** True for a name or address that only programs of this host can reach. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/.test(host);
}

/** True for an address on the web whose requests and answers nobody on the way can read or change: https, or http on this host. */
export function isTrustedAddress(url: string): boolean {
  const { protocol, hostname } = URL.parse(url) ?? {};
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname ?? ''));
}
