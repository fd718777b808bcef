/** Starts a real OpenID Connect provider, with one client that gets tokens for any audience. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider from 'oidc-provider';

export interface OidcTestServer {
  readonly issuer: string;
  /** An access token. Its claims contain `groups: [admins]`. @param ttlS its lifetime in seconds @param claims further claims */
  token(audience: string, ttlS?: number, claims?: object): Promise<string>;
  /** An ID token, signed by the provider for a client with the id `audience`. */
  idToken(audience: string, claims: Readonly<Record<string, unknown>>): Promise<string>;
  stop(): Promise<void>;
}

type IdTokenClass = new (
  available: object,
  context: { readonly client: unknown },
) => { set(name: string, value: unknown): void; issue(how: { use: 'idtoken'; expiresAt: number }): Promise<string> };

export async function startOidc(): Promise<OidcTestServer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let accessTokenTTL = 60;
  let extraClaims: object = {};
  const provider = new Provider(issuer, {
    clients: ['operator', 'https://tagalong.example'].map((client_id) => ({
      client_id,
      client_secret: 'secret of the test',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    })),
    extraTokenClaims: async () => ({ groups: ['admins'], ...extraClaims }),
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
    async token(audience, ttlS = 60, claims = {}) {
      accessTokenTTL = ttlS;
      extraClaims = claims;
      const response = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from('operator:secret+of+the+test').toString('base64')}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', resource: audience }),
      });
      const answer = (await response.json()) as { access_token?: string };
      if (answer.access_token === undefined) throw new Error(`no token: ${JSON.stringify(answer)}`);
      return answer.access_token;
    },
    async idToken(audience, claims) {
      const client = await provider.Client.find(audience);
      // The types of the package lack this class.
      const { IdToken } = provider as unknown as { IdToken: IdTokenClass };
      const token = new IdToken({}, { client });
      for (const [name, value] of Object.entries(claims)) token.set(name, value);
      return token.issue({ use: 'idtoken', expiresAt: Math.floor(Date.now() / 1000) + 60 });
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
