import { expect, test } from 'vitest';
import { agentSettings } from '#shared/config/agent.ts';

const ok = `
site: oslo
listen: { host: 192.0.2.1, port: 7443 }
tls: { ca: ca.pem, cert: oslo.pem, key: oslo.key }
lan: { bridge: lan0, subnet: 10.1.0.0/24, gateway: 10.1.0.1 }
endpoints: [{ provider: north, address: 192.0.2.1 }]
qemu: { images: { default: { disk: debian.qcow2 } } }
`;

test('keys with a default may be missing', () => {
  expect(agentSettings.parse(ok, 'oslo.yaml')).toMatchObject({
    stateDir: '/var/lib/tagalong',
    keptDisksBytes: 50_000_000_000,
    lan: { mtu: 1450 },
    qemu: { binary: 'qemu-system-x86_64', accel: 'auto', mptcp: true, compression: 'none', autoConverge: true },
    log: { level: 'info' },
  });
});

test.each([
  ['site: oslo', '', 'oslo.yaml:3: site: is missing'],
  ['subnet: 10.1.0.0/24', 'subnet: 10.1.0.0/31', 'oslo.yaml:5: lan.subnet: /31 is no usable size; give /8 to /28'],
  ['qemu: {', 'qemu: { acel: kvm,', 'oslo.yaml:7: qemu.acel: unknown key; did you mean accel?'],
  [
    'endpoints: [{',
    'endpoints: [{ provider: north, address: 192.0.2.9 }, {',
    'oslo.yaml:6: endpoints.1.provider: is given twice; give each provider once',
  ],
])('%s → %s is refused; the error names line and key', (from, to, message) => {
  let error: unknown;
  try {
    agentSettings.parse(ok.replace(from, to), 'oslo.yaml');
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) });
});
