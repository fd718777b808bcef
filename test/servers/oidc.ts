/** Starts a real OpenID Connect provider, with one client that gets tokens for any audience. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider from 'oidc-provider';

export interface OidcTestServer {
  readonly issuer: string;
  /** An access token. @param ttlS its lifetime in seconds */
  token(audience: string, ttlS?: number): Promise<string>;
  stop(): Promise<void>;
}

export async function startOidc(): Promise<OidcTestServer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let accessTokenTTL = 60;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'operator',
        client_secret: 'secret of the test',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
    ],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: async (_context: unknown, audience: string) => ({
          ...{ scope: '', audience, accessTokenTTL, accessTokenFormat: 'jwt' as const },
        }),
      },
    },
  });
  server.on('request', provider.callback());
  return {
    issuer,
    async token(audience, ttlS = 60) {
      accessTokenTTL = ttlS;
      const response = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from('operator:secret+of+the+test').toString('base64')}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', resource: audience }),
      });
      const answer = (await response.json()) as { access_token?: string };
      if (answer.access_token === undefined) throw new Error(`no token: ${JSON.stringify(answer)}`);
      return answer.access_token;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
