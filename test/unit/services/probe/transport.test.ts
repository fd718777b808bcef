import { describe, expect, test } from 'vitest';
import { readTransport } from '#services/probe/transport.ts';

// Lines in the form of ss of iproute2 6.1.
const mptcp = (more: string) => `ESTAB 0      0      10.0.1.1:49950 10.0.1.2:7000\n\t subflows_max:8 ${more}\n`;
const tcp = (local: string, token: string, state = 'ESTAB') =>
  `${state} 0      0      ${local} 10.0.1.2:7000\n\t cubic rtt:0.1/0.1 tcp-ulp-mptcp flags:Mmec token:${token} seq:1\n`;
const plain = 'ESTAB 0      0      10.0.1.1:50000 10.0.1.2:22\n\t cubic rtt:0.1/0.1\n';

describe('a connection', () => {
  test('of MPTCP has the subflows with its token, on any ports', () => {
    const sockets = [
      tcp('10.0.1.1:49950', '0000(id:0)/d1adaed8(id:0)'),
      plain,
      tcp('10.0.2.1:45937', '802d3708(id:1)/d1adaed8(id:1)'),
      tcp('10.0.2.1:45938', '802d3708(id:2)/d1adaed8(id:2)', 'SYN-SENT'),
      tcp('10.0.1.1:49999', '0000(id:0)/565f8ddb(id:0)'),
      tcp('10.0.1.2:7000', 'd1adaed8(id:0)/11111111(id:0)'),
    ];
    const own = mptcp('remote_key token:d1adaed8 write_seq:4');
    expect(readTransport(own, sockets.join(''))).toEqual({ transport: 'mptcp', subflows: 2 });
  });

  test('that fell back is TCP, although its socket is an MPTCP socket', () => {
    const own = mptcp('fallback token:d1adaed8 write_seq:4');
    const sockets = tcp('10.0.1.1:49950', '0000(id:0)/d1adaed8(id:0)');
    expect(readTransport(own, sockets)).toEqual({ transport: 'tcp', subflows: 1 });
  });

  test('without an MPTCP socket is TCP', () => {
    expect(readTransport('', plain)).toEqual({ transport: 'tcp', subflows: 1 });
  });
});
