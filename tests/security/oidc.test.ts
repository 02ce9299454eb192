import { createServer } from 'node:http';
import { request } from 'node:https';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SignJWT, exportJWK, generateKeyPair, type JWTPayload } from 'jose';
import pino from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { credentialFiles } from '../../services/fleet/credentials-directory.ts';
import { baseConfig } from '../../services/platform/runtime/config.ts';
import { startMetricsServer } from '../../services/platform/runtime/metrics-server.ts';
import { openSecurity } from '../../services/platform/security/security.ts';
import { createMetrics } from '../../services/platform/telemetry/metrics.ts';
import { newCredentials, pemsOf, valueOf } from './certificates.ts';

/** An identity provider on loopback: it says where its keys are, and signs what it is asked to. */
async function startIssuer() {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }] };
  let asked = 0;
  const server = createServer((incoming, answer) => {
    asked += 1;
    const found: Record<string, object> = {
      '/.well-known/openid-configuration': { issuer, jwks_uri: `${issuer}/keys` },
      '/keys': jwks,
    };
    const body = found[incoming.url ?? ''];
    answer.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const bound = server.address();
  const issuer = `http://127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 0}`;
  const stop = (): Promise<void> =>
    new Promise((done) => {
      server.close(() => done());
      server.closeAllConnections();
    });
  onTestFinished(stop);
  const sign = async (
    claims: JWTPayload,
    { key = privateKey, kid = 'one', expires = '5m', audience = 'gradus', by = issuer } = {},
  ): Promise<string> =>
    await new SignJWT({ sub: 'ada', ...claims })
      .setProtectedHeader({ alg: 'ES256', kid })
      .setIssuer(by)
      .setAudience(audience)
      .setExpirationTime(expires)
      .sign(key);
  return { issuer, jwks, sign, stop, asked: () => asked };
}

async function startServer(oidc: object) {
  const directory = await newCredentials();
  const metrics = createMetrics();
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const { tls, nats, oidc: checked } = baseConfig.parse({ tls: credentialFiles(directory, 'retrieval'), oidc });
  const security = await openSecurity(
    { tls, nats, oidc: checked },
    { log: pino({ level: 'silent' }), metrics, signal: stop.signal, lookEveryMs: 20 },
  );
  const server = await startMetricsServer('127.0.0.1:0', metrics, () => true, { allowedHosts: [], security });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const { ca } = await pemsOf(directory, 'metrics');
  const ask = async (token: string): Promise<number> => {
    const [host, port] = server.address.split(':');
    return await new Promise((done, fail) => {
      const headers = { authorization: `Bearer ${token}` };
      request({ host, port, path: '/metrics', headers, ca, agent: false }, (answer) =>
        done(answer.resume().statusCode ?? 0),
      )
        .on('error', fail)
        .end();
    });
  };
  const refused = async (): Promise<number> =>
    valueOf(await metrics.render(), 'gradus_requests_refused_total{edge="http",reason="token"}');
  return { ask, refused };
}

const roles = { 'lab-readers': 'viewer', 'lab-admins': 'operator' };

test('a token of the identity provider is taken for what its claim says, and one that is forged, over, for another program or of another issuer is not', async () => {
  const { issuer, sign } = await startIssuer();
  const { ask, refused } = await startServer({ issuer, roles });
  expect(await ask(await sign({ groups: ['other', 'lab-readers'] }))).toBe(200);
  expect(await ask(await sign({ groups: 'lab-admins other' }))).toBe(200);
  // Known, and nobody here.
  expect(await ask(await sign({ groups: ['toString', 'other'] }))).toBe(403);
  expect(await ask(await sign({}))).toBe(403);
  const groups = ['lab-admins'];
  const stranger = await generateKeyPair('ES256');
  const wrong = [
    await sign({ groups }, { key: stranger.privateKey }),
    await sign({ groups }, { key: stranger.privateKey, kid: 'two' }),
    await sign({ groups }, { expires: '-2m' }),
    await sign({ groups }, { audience: 'another-program' }),
    await sign({ groups }, { by: 'https://elsewhere.example' }),
    await new SignJWT({ sub: 'ada', groups, iss: issuer, aud: 'gradus' })
      .setProtectedHeader({ alg: 'HS256', kid: 'one' })
      .setExpirationTime('5m')
      .sign(new TextEncoder().encode('a secret that anyone may know, such as a public key')),
    `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify({ groups, iss: issuer, aud: 'gradus', sub: 'ada', exp: 9e9 })).toString('base64url')}.`,
    'no-token',
  ];
  for (const token of wrong) expect([token.slice(0, 40), await ask(token)]).toEqual([token.slice(0, 40), 401]);
  expect(await refused()).toBe(wrong.length);
});

test('keys in a file are taken, also when they change, and a claim may lie in an object', async () => {
  const [first, second] = [await startIssuer(), await startIssuer()];
  const directory = await newCredentials();
  const jwks = join(directory, 'jwks.json');
  await writeFile(jwks, JSON.stringify(first.jwks));
  const { ask } = await startServer({ issuer: first.issuer, jwks, claim: 'realm_access.roles', roles });
  const claims = { realm_access: { roles: ['lab-readers'] } };
  expect(await ask(await first.sign(claims))).toBe(200);
  const next = await second.sign(claims, { by: first.issuer });
  expect(await ask(next)).toBe(401);
  await writeFile(jwks, JSON.stringify(second.jwks));
  await expect.poll(() => ask(next), { timeout: 60_000 }).toBe(200);
  expect(first.asked() + second.asked()).toBe(0);
});

test('P2: an issuer that does not answer makes no token wrong: the request may be repeated', async () => {
  const { issuer, sign, stop } = await startIssuer();
  const { ask, refused } = await startServer({ issuer, roles });
  const token = await sign({ groups: ['lab-readers'] });
  await stop();
  expect(await ask(token)).toBe(503);
  expect(await refused()).toBe(0);
});

test('settings that would let anybody in, or nobody, are refused', async () => {
  const wrong = (oidc: object): string => {
    const parsed = baseConfig.safeParse({ oidc });
    return parsed.success ? '' : parsed.error.issues.map(({ message }) => message).join('; ');
  };
  expect(wrong({ issuer: 'http://login.example', roles })).toContain('must be https:, or on this machine');
  expect(wrong({ issuer: 'https://login.example', jwks: 'http://login.example/keys', roles })).toContain('https:');
  expect(wrong({ issuer: 'https://login.example' })).toContain('no token of the issuer could do anything');
  expect(wrong({ roles })).toContain('is missing');
  expect(wrong({ issuer: 'https://login.example', roles: { all: 'coordinator' } })).not.toBe('');
  const { nats, tls, oidc } = baseConfig.parse({ oidc: { issuer: 'https://login.example', roles } });
  await expect(
    openSecurity({ nats, tls, oidc }, { log: pino({ level: 'silent' }), signal: AbortSignal.abort() }),
  ).rejects.toThrow('tokens in the clear could be read by anyone');
});
