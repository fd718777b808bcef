/** A site's agent takes orders over https from the control plane alone, and refuses all other clients. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePorts } from '#deploy/local/loopback.ts';
import { qemuAgent } from '#services/agent/agent.ts';
import { serveAgent } from '#services/agent/http.ts';
import { readCredentials } from '#services/sites/hosts/credentials.ts';
import { agentSettings } from '#shared/config/agent.ts';
import { type AgentClient, agentClient, type Credentials } from '#shared/hypervisor/qemu/client.ts';
import { createLog } from '#shared/log.ts';

const run = promisify(execFile);
const SCRIPT = new URL('../../deploy/certificates.sh', import.meta.url).pathname;

describe('a site’s agent over https, with mutual TLS', () => {
  let folder: string;
  let url: string;
  let close: () => Promise<void>;
  const clients: AgentClient[] = [];

  const certificate = async (authority: string, name: string): Promise<Credentials> =>
    readCredentials({
      ca: `${folder}/${authority}/ca.pem`,
      cert: `${folder}/${authority}/${name}.pem`,
      key: `${folder}/${authority}/${name}.key`,
    });
  const as = (credentials: Credentials, site = 'oslo') => {
    const client = agentClient(site, url, credentials);
    clients.push(client);
    return client;
  };

  /** Makes a certificate of an authority with a common name alone. */
  const withoutRole = async (authority: string, file: string, name: string) => {
    const [key, cert] = [`${authority}/${file}.key`, `${authority}/${file}.pem`];
    await writeFile(`${authority}/ext`, `subjectAltName=DNS:${name}`);
    const subject = ['-subj', `/CN=${name}`, '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    await run('openssl', ['req', '-new', ...subject, '-keyout', key, '-out', `${cert}.csr`]);
    const ca = ['-CA', `${authority}/ca.pem`, '-CAkey', `${authority}/ca.key`, '-CAcreateserial'];
    await run('openssl', ['x509', '-req', '-in', `${cert}.csr`, ...ca, '-extfile', `${authority}/ext`, '-out', cert]);
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tagalong-agent-'));
    await run('sh', [SCRIPT, `${folder}/ours`, 'control', 'oslo=127.0.0.1', 'bonn=127.0.0.1']);
    await run('sh', [SCRIPT, `${folder}/strangers`, 'control']);
    // As certificates were before they had roles.
    await withoutRole(`${folder}/ours`, 'old-control', 'control');
    await withoutRole(`${folder}/ours`, 'old-oslo', 'oslo');
    // A list of revoked certificates with one that nobody uses.
    await run('sh', [SCRIPT, `${folder}/ours`, 'paris']);
    await run('sh', [SCRIPT, '--revoke', `${folder}/ours`, 'paris']);
    const port = (await freePorts(1))[0]!;
    const config = agentSettings.parse(
      JSON.stringify({
        site: 'oslo',
        listen: { host: '127.0.0.1', port },
        tls: {
          ...{ ca: `${folder}/ours/ca.pem`, crl: `${folder}/ours/crl.pem` },
          ...{ cert: `${folder}/ours/oslo.pem`, key: `${folder}/ours/oslo.key` },
        },
        stateDir: `${folder}/state`,
        lan: { bridge: 'lan0', subnet: '10.1.0.0/24', gateway: '10.1.0.1' },
        endpoints: [{ provider: 'north', address: '10.101.1.2' }],
        qemu: { images: {} },
      }),
      'agent',
    );
    const log = createLog('silent');
    // The agent is not started: these tests need its answers, and no VM.
    ({ close } = await serveAgent(qemuAgent({ config, log }), config, log));
    url = `https://127.0.0.1:${port}`;
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    await close?.();
    await rm(folder, { recursive: true, force: true });
  });

  test('the agent takes orders from the control plane', async () => {
    const control = as(await certificate('ours', 'control'));
    expect(await control.instance('vm1')).toEqual({ atMs: expect.any(Number) });
    const order = control.order('vm1', 'release', { migration: 'vm1:1' });
    await expect(order).resolves.toMatchObject({ atMs: expect.any(Number) });
    const unknown = control.order('vm1', 'copy', { migration: 'vm1:1', maxRounds: 1, maxPauseMs: 1, stallMs: 1 });
    await expect(unknown).rejects.toMatchObject({ code: 'NO_SUCH_VM' });
    await expect(control.order('vm1', 'copy', {} as never)).rejects.toMatchObject({ code: 'EVENT_INVALID' });
    for (const name of ['vm1,process=sh', 'vm1 x', '../vm1', '-name']) {
      const invalid = control.order(name, 'release', { migration: 'vm1:1' });
      await expect(invalid, name).rejects.toMatchObject({ code: 'EVENT_INVALID' });
    }
  });

  test('the control plane refuses an answer with another address of an uplink than the declared one', async () => {
    const answers = async (address: string, answer: object) => {
      const server = createServer(await certificate('ours', 'oslo'), (_, response) =>
        response.end(JSON.stringify(answer)),
      );
      await once(server.listen(0, '127.0.0.1'), 'listening');
      const { port } = server.address() as { port: number };
      const control = await certificate('ours', 'control');
      const uplinks = [{ provider: 'north', address }, { provider: 'south' }];
      const client = agentClient('oslo', `https://127.0.0.1:${port}`, control, () => uplinks);
      clients.push(client);
      return { client, end: () => server.close() };
    };
    const endpoints = ['north', 'south'].map((provider) => ({ provider, address: '2001:db8::7' }));
    const base = { atMs: 1, answerPort: 1 };
    const status = { ...base, site: 'oslo', accel: 'tcg', endpoints, instances: [] };
    const lan = { address: '10.1.0.10', prefix: 24, gateway: '10.1.0.1' };
    const ports = { answerPort: 1, memoryPort: 2, diskPort: 3 };
    const landing = { token: 't', endpoints, ...ports, lan, postCopy: false, compression: 'none' };
    for (const declared of ['2001:db8::8', '192.0.2.7']) {
      const asked = await answers(declared, status);
      await expect(asked.client.status()).rejects.toMatchObject({ code: 'UPLINK_ADDRESS_DIFFERS' });
      asked.end();
      const ordered = await answers(declared, { ...base, landing });
      const order = ordered.client.order('vm1', 'release', { migration: 'vm1:1' });
      await expect(order).rejects.toMatchObject({ code: 'UPLINK_ADDRESS_DIFFERS' });
      ordered.end();
    }
    // The same address in another form.
    const asked = await answers('2001:DB8:0:0::7', status);
    expect(await asked.client.status()).toMatchObject({ endpoints });
    asked.end();
  });

  test('the agent refuses another site with a certificate of the same authority', async () => {
    const bonn = as(await certificate('ours', 'bonn'));
    await expect(bonn.instance('vm1')).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(bonn.order('vm1', 'remove', {})).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  test('the agent refuses a control plane with a certificate of another authority', async () => {
    const stranger = await certificate('strangers', 'control');
    await expect(as(stranger).instance('vm1')).rejects.toMatchObject({ code: 'AGENT_UNREACHABLE' });
    const { ca } = await certificate('ours', 'control');
    await expect(as({ ...stranger, ca }).instance('vm1')).rejects.toMatchObject({ code: 'AGENT_UNREACHABLE' });
  });

  test('the agent refuses a client without a certificate', async () => {
    const { ca } = await certificate('ours', 'control');
    const nobody = as({ ca } as Credentials);
    await expect(nobody.instance('vm1')).rejects.toMatchObject({ code: 'AGENT_UNREACHABLE' });
  });

  test('the agent refuses a certificate for the name control that has no role', async () => {
    const old = as(await certificate('ours', 'old-control'));
    await expect(old.instance('vm1')).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  test('the control plane accepts as oslo only an agent with the certificate of the site oslo', async () => {
    const control = await certificate('ours', 'control');
    const asOslo = async (name: string) => {
      const server = createServer(await certificate('ours', name), (_, response) => response.end('{"atMs":1}'));
      await once(server.listen(0, '127.0.0.1'), 'listening');
      const client = agentClient('oslo', `https://127.0.0.1:${(server.address() as { port: number }).port}`, control);
      try {
        return await client.instance('vm1');
      } finally {
        client.close();
        server.close();
      }
    };
    expect(await asOslo('oslo')).toEqual({ atMs: 1 });
    for (const name of ['bonn', 'control', 'old-oslo']) {
      await expect(asOslo(name), name).rejects.toMatchObject({ code: 'AGENT_UNREACHABLE' });
    }
  });

  test('the control plane refuses an agent with the certificate of another site', async () => {
    const control = as(await certificate('ours', 'control'), 'bonn');
    await expect(control.instance('vm1')).rejects.toMatchObject({ code: 'AGENT_UNREACHABLE' });
  });

  test('the agent refuses a certificate of the control plane that was revoked while it runs', async () => {
    const stolen = as(await certificate('ours', 'control'));
    // Its connection stays open.
    await stolen.instance('vm1');
    await run('sh', [SCRIPT, '--revoke', `${folder}/ours`, 'control']);
    await run('sh', [SCRIPT, '--renew', `${folder}/ours`, 'control']);
    const isRefused = async () =>
      (await stolen.instance('vm1').catch((error: { code: string }) => error.code)) === 'AGENT_UNREACHABLE';
    await expect.poll(isRefused, { timeout: 20_000 }).toBe(true);
    expect(await as(await certificate('ours', 'control')).instance('vm1')).toEqual({ atMs: expect.any(Number) });
  });

  test('the control plane uses renewed certificates from the next request on, also where it keeps connections', async () => {
    // Only the second authority is trusted by the agent that listens there now.
    const authority = async (name: string) => {
      await run('sh', [SCRIPT, `${folder}/${name}`, 'control', 'oslo=127.0.0.1']);
      return { oslo: await certificate(name, 'oslo'), control: await certificate(name, 'control') };
    };
    const [first, second] = [await authority('first'), await authority('second')];
    const strict = { requestCert: true, rejectUnauthorized: true };
    const server = createServer({ ...first.oslo, ...strict }, (_, response) => response.end('{"atMs":1}'));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as { port: number };
    const client = agentClient('oslo', `https://127.0.0.1:${port}`, first.control);
    clients.push(client);
    expect(await client.instance('vm1')).toEqual({ atMs: 1 });
    server.setSecureContext({ ...second.oslo, ...strict });
    server.closeIdleConnections();
    await expect(client.instance('vm1')).rejects.toMatchObject({ code: 'AGENT_UNREACHABLE' });
    client.renew(second.control);
    expect(await client.instance('vm1')).toEqual({ atMs: 1 });
    server.close();
  });

  test('the agent takes up renewed certificates, and a new authority, without a restart', async () => {
    // One client keeps its connection; each question of the others is a new handshake.
    const before = as(await certificate('ours', 'control'));
    await before.instance('vm1');
    const serial = async () => {
      const { ca, cert, key } = await certificate('ours', 'control');
      const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), servername: 'oslo', ca, cert, key });
      await once(socket, 'secureConnect');
      const { serialNumber } = socket.getPeerCertificate();
      socket.destroy();
      return serialNumber;
    };
    const old = await serial();
    await run('sh', [SCRIPT, '--renew', `${folder}/ours`, 'oslo=127.0.0.1']);
    await expect.poll(serial, { timeout: 20_000 }).not.toBe(old);
    expect(await before.instance('vm1')).toEqual({ atMs: expect.any(Number) });

    // A key without its certificate, as while files are copied, changes nothing.
    const renewed = await serial();
    const half = `${folder}/half`;
    await run('sh', [SCRIPT, half, 'control', 'oslo=127.0.0.1']);
    await copyFile(`${half}/oslo.key`, `${folder}/ours/oslo.key`);
    await sleep(2_500);
    expect(await serial()).toBe(renewed);
    await run('sh', [SCRIPT, '--revoke', half, 'control']);
    await run('sh', [SCRIPT, '--renew', half, 'control']);
    for (const name of ['ca.pem', 'crl.pem', 'oslo.pem']) await copyFile(`${half}/${name}`, `${folder}/ours/${name}`);
    const asNew = async () => {
      const client = agentClient('oslo', url, await certificate('half', 'control'));
      try {
        return (await client.instance('vm1')).atMs > 0;
      } catch {
        return false;
      } finally {
        client.close();
      }
    };
    await expect.poll(asNew, { timeout: 20_000 }).toBe(true);
  });
});
