/** A QEMU that waits for an incoming VM. */
import type { AgentConfig } from '#shared/config/agent.ts';
import type { ReceiverInfo } from '#shared/hypervisor/qemu/protocol.ts';
import { serveDisk } from './disk.ts';
import { credentials } from './encryption.ts';
import { capabilities, mainChannel, parameters } from './migration-settings.ts';
import { listenAtFreePort } from './ports.ts';
import type { Qmp } from './qmp.ts';
import { listeningPort, migrationStatus } from './query-migrate.ts';

/** The order to a receiving QEMU. */
export interface ReceiverSettings {
  readonly qemu: AgentConfig['qemu'];
  /** The folder with the certificates; undefined: no encryption. */
  readonly certificates: string | undefined;
  readonly receiver: Pick<ReceiverInfo, 'postCopy'>;
  readonly hasDisk: boolean;
}

/**
 * Makes QEMU wait for a VM, and for its disk where it has one.
 * @param settle writes the ports down: the disk's once it is served, the memory's last of all
 * @throws QmpError, TagalongError QEMU_GONE, QEMU_SILENT
 */
export async function listen(
  qmp: Qmp,
  { qemu, certificates, receiver, hasDisk }: ReceiverSettings,
  settle: (ports: Partial<Pick<ReceiverInfo, 'memoryPort' | 'diskPort'>>) => Promise<void>,
): Promise<void> {
  await qmp.execute('migrate-set-capabilities', {
    capabilities: capabilities(qemu, 'destination', receiver.postCopy),
  });
  const creds = await credentials(qmp, certificates, 'server');
  await qmp.execute('migrate-set-parameters', { ...parameters(qemu), 'tls-creds': creds });
  if (hasDisk) {
    const diskPort = await listenAtFreePort((port) => serveDisk(qmp, port, qemu.mptcp, creds));
    await settle({ diskPort });
  }
  // With port 0 QEMU picks. It could not be told a second port if the first were taken: it takes one `migrate-incoming`.
  await qmp.execute('migrate-incoming', { channels: mainChannel('0.0.0.0', 0, qemu.mptcp), 'exit-on-error': false });
  await settle({ memoryPort: await listeningPort(qmp) });
}

/** True while QEMU waits for the VM, receives it, or has it. */
export async function isListening(qmp: Qmp | undefined): Promise<boolean> {
  const status = qmp && (await migrationStatus(qmp).catch(() => undefined));
  return !['none', 'failed'].includes(status ?? 'none');
}
