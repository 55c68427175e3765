// The certified oidc-provider as an authorization server for tests: loopback, everything in memory, nothing kept.
// Arguments: the package's main file. Environment: OIDC_CLIENTS (JSON list of client metadata), OIDC_ACCESS_SECONDS.
// Its own development pages ask for a login (any) and for consent. Writes `listening <port>` once it answers.
import { randomBytes, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const { Provider } = await import(pathToFileURL(process.argv[2]).href);

const seconds = Number(process.env.OIDC_ACCESS_SECONDS);
const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });

const configuration = {
  clients: JSON.parse(process.env.OIDC_CLIENTS),
  jwks: { keys: [{ ...key, use: 'sig', alg: 'RS256' }] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  features: {
    devInteractions: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
  },
  pkce: { required: () => true },
  rotateRefreshToken: true, // a refresh token that comes a second time ends its whole family
  scopes: ['openid', 'offline_access', 'email', 'files.read', 'files.write'],
  claims: { openid: ['sub'], email: ['email'] },
  ttl: { AccessToken: seconds, AuthorizationCode: 60, Grant: 86400, IdToken: seconds, Interaction: 600, RefreshToken: 86400, Session: 86400 },
  findAccount: (context, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@example.com` }) }),
};

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  server.on('request', new Provider(`http://127.0.0.1:${port}`, configuration).callback());
  console.log(`listening ${port}`);
});
