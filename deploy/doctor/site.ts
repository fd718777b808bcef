/** Checks what an agent's settings name on its host: addresses, the LAN, files, free disk space. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { access, readFile, stat, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { dirname, resolve } from 'node:path';
import { run } from '#services/agent/process.ts';
import { isOfAuthority } from '#services/sites/hosts/credentials.ts';
import type { AgentConfig } from '#shared/config/agent.ts';
import { holderOf, type Subject } from '#shared/hypervisor/qemu/holder.ts';
import { bad, type Finding, ok } from './finding.ts';

const DAY_MS = 86_400_000;
/** A certificate that expires sooner should be renewed. */
const RENEW_DAYS = 30;
const RENEW = 'sh deploy/certificates.sh --renew FOLDER';
/** Disk space for records, sockets and logs; disks need more. */
const LEAST_FREE_BYTES = 1_000_000_000;

/** Checks everything that the settings name. */
export async function siteFindings(config: AgentConfig): Promise<Finding[]> {
  const rules = (await run('ip', ['rule', 'show']).catch(() => undefined))?.stdout ?? '';
  return [
    await listenFinding(config.listen),
    ...config.endpoints.map(({ provider, address }) =>
      endpointFinding(provider, address, rules, config.endpoints.length),
    ),
    await bridgeFinding(config.lan),
    await certificateFinding(config.tls, Date.now(), config.site),
    ...(await Promise.all(Object.entries(config.qemu.images).map(([name, image]) => imageFinding(name, image)))),
    await roomFinding(config),
  ];
}

async function listenFinding(listen: AgentConfig['listen']): Promise<Finding> {
  const what = 'orders';
  const where = 'socket' in listen ? listen.socket : `${listen.host} port ${listen.port}`;
  if ('socket' in listen) return ok(what, where);
  const server = createServer();
  try {
    server.listen({ host: listen.host, port: listen.port });
    await once(server, 'listening');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE')
      return bad('wanting', what, `${where} is taken`, 'by the agent, if it runs; else give another listen.port');
    return bad('missing', what, `${where}: ${code}`, 'give an address of this host as listen.host');
  }
  server.close();
  return ok(what, `${where} is free`);
}

/** @param rules the output of `ip rule show` */
export function endpointFinding(provider: string, address: string, rules: string, endpoints: number): Finding {
  const what = `path ${provider}`;
  const name = Object.entries(networkInterfaces()).find(([, all]) => all?.some((one) => one.address === address))?.[0];
  if (name === undefined) {
    return bad(
      'missing',
      what,
      `${address} is no address of this host`,
      `ip address add ${address}/… dev …, or mend endpoints`,
    );
  }
  const isRouted = rules.split('\n').some((rule) => rule.includes(`from ${address} `));
  if (endpoints === 1 || isRouted) return ok(what, `${address} on ${name}`);
  const remedy = `ip rule add from ${address} lookup N, with that provider's default route in table N`;
  return bad('wanting', what, `${address} on ${name}, without a rule: it may leave by another provider`, remedy);
}

async function bridgeFinding({ bridge, mtu }: AgentConfig['lan']): Promise<Finding> {
  const what = 'LAN';
  const { stdout } = await run('ip', ['-json', '-details', 'link', 'show', bridge]).catch(() => ({ stdout: '[]' }));
  const [link] = JSON.parse(stdout) as { mtu: number; linkinfo?: { info_kind?: string } }[];
  if (link?.linkinfo?.info_kind !== 'bridge') {
    return bad('missing', what, `${bridge} is no bridge of this host`, `ip link add ${bridge} type bridge`);
  }
  const found = `bridge ${bridge}, MTU ${link.mtu}`;
  return link.mtu >= mtu
    ? ok(what, found)
    : bad('missing', what, found, `ip link set ${bridge} mtu ${mtu}, as lan.mtu says`);
}

/** Checks that the agent's certificate is signed by the authority, belongs to the key, is that of the site, and is valid today. */
export async function certificateFinding(
  { ca, cert, key }: AgentConfig['tls'],
  nowMs: number,
  site: string,
): Promise<Finding> {
  const what = 'certificate';
  const remedy = 'sh deploy/certificates.sh FOLDER control SITE=ADDRESS makes them';
  try {
    const pem = { ca: await readFile(ca), cert: await readFile(cert) };
    const own = new X509Certificate(pem.cert);
    if (!isOfAuthority(pem)) return bad('missing', what, `${cert} is not of the authority ${ca}`, remedy);
    if (!own.checkPrivateKey(createPrivateKey(await readFile(key)))) {
      return bad('missing', what, `${key} is not the key of ${cert}`, remedy);
    }
    const holder = holderOf(own.toLegacyObject().subject as Subject);
    if (holder?.role !== 'site' || holder.name !== site) {
      return bad('missing', what, `${cert} is not that of the site ${site}`, `renew it: ${RENEW} ${site}=ADDRESS`);
    }
    const daysLeft = Math.floor((own.validToDate.getTime() - nowMs) / DAY_MS);
    if (daysLeft < 0) return bad('missing', what, `${cert} ended ${-daysLeft} days ago`, remedy);
    const found = `${cert}, for ${daysLeft} days`;
    return daysLeft < RENEW_DAYS ? bad('wanting', what, found, `renew it: ${RENEW} ${site}=ADDRESS`) : ok(what, found);
  } catch (error) {
    return bad('missing', what, (error as Error).message, remedy);
  }
}

/** Checks that the files of an image are there, and that QEMU, which has no privileges, may read those that it opens itself. */
export async function imageFinding(
  name: string,
  { kernel, initrd, disk }: AgentConfig['qemu']['images'][string],
): Promise<Finding> {
  const what = `image ${name}`;
  const paths = [kernel, initrd, disk].filter((path) => path !== undefined);
  for (const path of paths) {
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    if (!isThere) return bad('missing', what, `${path} cannot be read`, 'put it there, or mend qemu.images');
  }
  for (const path of [kernel, initrd].filter((each) => each !== undefined)) {
    if (((await stat(path)).mode & 0o004) === 0)
      return bad(
        'missing',
        what,
        `QEMU may not read ${path}: it has a user of its own for each VM`,
        `chmod o+r ${path}`,
      );
  }
  return ok(what, paths.join(', ') || 'an empty disk');
}

async function roomFinding({ stateDir, keptDisksBytes }: AgentConfig): Promise<Finding> {
  const what = 'room';
  // The agent creates the folder at its start, so the check uses the existing part of its path, on the same disk.
  let folder = stateDir;
  let room = await statfs(folder).catch(() => undefined);
  while (room === undefined) {
    folder = dirname(folder);
    room = await statfs(folder).catch(() => undefined);
  }
  const closed = await firstClosed(resolve(stateDir));
  if (closed !== undefined) return bad('missing', what, `QEMUs cannot pass through ${closed}`, `chmod o+x ${closed}`);
  const freeBytes = room.bavail * room.bsize;
  const found = `${(freeBytes / 1e9).toFixed(1)} GB free at ${stateDir}`;
  if (freeBytes < LEAST_FREE_BYTES)
    return bad('missing', what, found, 'make room: records and disks of VMs are kept there');
  if (freeBytes >= keptDisksBytes) return ok(what, found);
  const kept = (keptDisksBytes / 1e9).toFixed(1);
  return bad('wanting', what, found, `keptDisksBytes is ${kept} GB, and disks of VMs that run come on top of it`);
}

/** The lowest folder above another one through which a user without privileges cannot pass. */
async function firstClosed(folder: string): Promise<string | undefined> {
  for (let above = dirname(folder); ; above = dirname(above)) {
    const found = await stat(above).catch(() => undefined);
    if (found !== undefined && (found.mode & 0o001) === 0) return above;
    if (above === dirname(above)) return undefined;
  }
}
