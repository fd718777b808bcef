/** A QEMU that waits for an incoming VM. */
import type { AgentConfig } from '#shared/config/agent.ts';
import type { ReceiverInfo } from '#shared/hypervisor/qemu/protocol.ts';
import { serveDisk } from './disk.ts';
import { admission, type Certificates } from './encryption.ts';
import { ANY_ADDRESS, capabilities, mainChannel, parameters } from './migration-settings.ts';
import { listenAtFreePort } from './ports.ts';
import type { Qmp } from './qmp.ts';
import { listeningPort, migrationStatus } from './query-migrate.ts';

/** The order to a receiving QEMU. */
export interface ReceiverSettings {
  readonly qemu: AgentConfig['qemu'];
  /** Undefined: no encryption. */
  readonly certificates: Certificates | undefined;
  readonly receiver: Pick<ReceiverInfo, 'postCopy'>;
  /** The site whose QEMU may connect. */
  readonly peer: string;
  readonly hasDisk: boolean;
  /** Keeps all but the paths away from these ports. */
  fence(ports: readonly number[]): Promise<void>;
}

/**
 * Makes QEMU wait for a VM, and for its disk where it has one.
 * @param settle writes the ports down: the disk's once it is served, the memory's last of all
 * @throws QmpError, TagalongError QEMU_GONE, QEMU_SILENT
 */
export async function listen(
  qmp: Qmp,
  { qemu, certificates, receiver, peer, hasDisk, fence }: ReceiverSettings,
  settle: (ports: Partial<Pick<ReceiverInfo, 'memoryPort' | 'diskPort'>>) => Promise<void>,
): Promise<void> {
  await qmp.execute('migrate-set-capabilities', {
    capabilities: capabilities(qemu, 'destination', receiver.postCopy),
  });
  const tls = await admission(qmp, certificates, peer);
  await qmp.execute('migrate-set-parameters', {
    ...parameters(qemu),
    'tls-creds': tls.creds,
    'tls-authz': tls.authz,
  });
  const ports: number[] = [];
  if (hasDisk) {
    const diskPort = await listenAtFreePort(async (port) => {
      await fence([port]);
      await serveDisk(qmp, port, qemu.mptcp, tls);
    });
    ports.push(diskPort);
    await settle({ diskPort });
  }
  // With port 0 QEMU picks. It could not be told a second port if the first were taken: it takes one `migrate-incoming`.
  const channels = mainChannel(ANY_ADDRESS, 0, qemu.mptcp);
  await qmp.execute('migrate-incoming', { channels, 'exit-on-error': false });
  const memoryPort = await listeningPort(qmp);
  await fence([...ports, memoryPort]);
  await settle({ memoryPort });
}

/** True while QEMU waits for the VM, receives it, or has it. */
export async function isListening(qmp: Qmp | undefined): Promise<boolean> {
  const status = qmp && (await migrationStatus(qmp).catch(() => undefined));
  return !['none', 'failed'].includes(status ?? 'none');
}
