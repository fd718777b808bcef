/** Names and numbers that both agents of a move derive from the same words, so that they need not exchange them. */
import { createHash } from 'node:crypto';

const hash = (text: string) => createHash('sha256').update(text).digest();

/** Nine characters that stand for a VM where names are short: device names have at most 15, socket paths 107. */
export function shortName(vm: string): string {
  return hash(vm).toString('hex').slice(0, 9);
}

/** The hardware address of one of a VM's two network cards: locally administered, the same at every site. */
export function macAddress(vm: string, nic: 0 | 1): string {
  const [a, b, c, d] = hash(vm);
  return [0x02, a, b, c, d, nic].map((byte) => byte!.toString(16).padStart(2, '0')).join(':');
}

/** The VXLAN identifiers (24 bits, RFC 7348) of a migration: for the destination's LAN and for the source's. */
export function stretchIds(migration: string): { readonly newLan: number; readonly oldLan: number } {
  const even = hash(migration).readUIntBE(0, 3) & 0xff_ff_fe;
  return { newLan: even || 2, oldLan: (even || 2) + 1 };
}

/** The names of a VM's network devices at a site. */
export function deviceNames(vm: string) {
  const short = shortName(vm);
  return {
    taps: [`t${short}0`, `t${short}1`] as const,
    /** Joins the tap of the other site's LAN with the tunnel to it. */
    bridge: `b${short}`,
    newLan: `n${short}`,
    oldLan: `o${short}`,
  };
}
