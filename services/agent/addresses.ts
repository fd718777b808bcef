/** Assigns an address of a site's LAN to a VM. Pure. */
import type { LanAddress } from '#shared/hypervisor/qemu/protocol.ts';
import { shortName } from './names.ts';

/** Addresses below this one are the network's own: gateways, hosts, proxies. */
const FIRST_ADDRESS = 10;

/**
 * A free IPv4 address for a VM; the same one at each arrival, unless another VM has it.
 * @param lan `subnet` as `10.1.0.0/24`
 * @param taken addresses of other VMs here
 * @returns undefined where none is left
 */
export function freeAddress(
  vm: string,
  lan: { readonly subnet: string; readonly gateway: string },
  taken: ReadonlySet<string>,
): LanAddress | undefined {
  const [network, bits] = lan.subnet.split('/') as [string, string];
  const base = network.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
  const room = 2 ** (32 - Number(bits)) - 1 - FIRST_ADDRESS;
  const wish = Number.parseInt(shortName(vm).slice(0, 6), 16) % room;
  for (let i = 0; i < room; i++) {
    const number = base + FIRST_ADDRESS + ((wish + i) % room);
    const address = [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
    if (!taken.has(address)) return { address, prefix: Number(bits), gateway: lan.gateway };
  }
  return undefined;
}
