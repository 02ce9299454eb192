/**
 * Bearer tokens of an identity provider (OpenID Connect), which HTTP servers take next to those of `tls.tokens`: JSON Web Tokens that its keys
 * signed, for our audience, and what a claim of theirs says that their bearer may do.
 */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  decodeProtectedHeader,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
} from 'jose';
import { z } from 'zod';
import { TerminalError, TransientError, errorFrom } from '../errors.ts';
import type { Logger } from '../telemetry/logging.ts';
import { lookAgain } from './look-again.ts';
import type { OidcSettings } from './oidc-fields.ts';
import type { RoleName } from './roles.ts';

export interface OidcTokens {
  /**
   * Roles of a token's bearer; empty for one that has none here. Undefined for what is no token of this issuer, is not for us, or is over. Throws
   * TransientError where the keys of the issuer cannot be had.
   */
  find(token: string): Promise<readonly RoleName[] | undefined>;
}

export interface OidcTokensOptions {
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly lookEveryMs?: number | undefined;
}

/** With a public key only: a secret that we shared with the issuer would let us sign, too. */
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
const clockToleranceS = 30;
const answerMs = 5_000;
/** Between two looks for a key that is not known yet: a forged name of a key must not make us ask the issuer at each request. */
const cooldownMs = 10_000;
const retryAfterMs = 5_000;

const jwksSchema = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).min(1) });
const discoverySchema = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https?$/ }) });

/** Throws TerminalError for a file of keys that is none. An issuer is asked when the first token comes. */
export async function openOidcTokens(settings: OidcSettings, options: OidcTokensOptions): Promise<OidcTokens> {
  const { issuer, audience, claim, roles } = settings;
  const keys = await keysOf(settings, options);

  return {
    async find(token) {
      if (!isSigned(token)) return undefined;
      let payload: JWTPayload;
      try {
        ({ payload } = await jwtVerify(token, keys, {
          issuer,
          audience,
          algorithms,
          clockTolerance: clockToleranceS,
          requiredClaims: ['exp', 'sub'],
        }));
      } catch (thrown) {
        if (thrown instanceof errors.JOSEError && !(thrown instanceof errors.JWKSTimeout) && !isUnanswered(thrown))
          return undefined;
        throw new TransientError('unavailable', `the keys of ${issuer} cannot be had: ${errorFrom(thrown).message}`, {
          retryAfterMs,
          cause: thrown,
        });
      }
      return [
        ...new Set(
          valuesAt(payload, claim).flatMap((value) => (Object.hasOwn(roles, value) ? [roles[value] ?? ''] : [])),
        ),
      ];
    },
  };
}

/** Of an answer that was no set of keys: jose has no class for it. */
function isUnanswered(error: errors.JOSEError): boolean {
  return error.code === 'ERR_JOSE_GENERIC';
}

function isSigned(token: string): boolean {
  try {
    return algorithms.includes(decodeProtectedHeader(token).alg ?? '');
  } catch {
    // One of `tls.tokens`, or nothing at all.
    return false;
  }
}

/** What a claim says: a list, or words with spaces between. `realm_access.roles` lies in an object. */
function valuesAt(payload: JWTPayload, claim: string): readonly string[] {
  let value: unknown = payload;
  for (const part of claim in payload ? [claim] : claim.split('.'))
    value =
      typeof value === 'object' && value !== null && Object.hasOwn(value, part) ? Reflect.get(value, part) : undefined;
  if (typeof value === 'string') return value.split(' ');
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : [];
}

async function keysOf({ issuer, jwks }: OidcSettings, options: OidcTokensOptions): Promise<JWTVerifyGetKey> {
  if (jwks !== undefined && !/^https?:/.test(jwks)) return await keysOfFile(resolve(jwks), options);
  if (jwks !== undefined) return remoteKeys(jwks);
  let found: JWTVerifyGetKey | undefined;
  return async (header, token) => {
    found ??= remoteKeys(await discover(issuer));
    return await found(header, token);
  };
}

function remoteKeys(url: string): JWTVerifyGetKey {
  return createRemoteJWKSet(new URL(url), { timeoutDuration: answerMs, cooldownDuration: cooldownMs });
}

/** Where an issuer says that its keys are. */
async function discover(issuer: string): Promise<string> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const answer = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(answerMs) });
  if (!answer.ok) throw new TransientError('unavailable', `${url} answers ${answer.status}`);
  const { issuer: said, jwks_uri: keys } = discoverySchema.parse(await answer.json());
  if (said !== issuer) throw new TransientError('unavailable', `${url} is of issuer '${said}', not of '${issuer}'`);
  return keys;
}

async function keysOfFile(
  path: string,
  { log, signal, lookEveryMs = 5_000 }: OidcTokensOptions,
): Promise<JWTVerifyGetKey> {
  let text = await readKeys(path);
  let keys = parseKeys(text, path);
  lookAgain(lookEveryMs, signal, async () => {
    try {
      const now = await readKeys(path);
      if (now === text) return;
      text = now;
      keys = parseKeys(now, path);
      log.info({ keys: path }, 'new keys of the issuer are used');
    } catch (thrown) {
      log.warn({ err: errorFrom(thrown) }, 'the keys of the issuer cannot be used; those of before stay');
    }
  });
  return async (header, token) => await keys(header, token);
}

function parseKeys(text: string, path: string): JWTVerifyGetKey {
  try {
    return createLocalJWKSet(jwksSchema.parse(JSON.parse(text)));
  } catch (cause) {
    throw new TerminalError(
      'invalid_argument',
      `oidc.jwks: ${path} is no set of keys (JWKS): ${errorFrom(cause).message}`,
      {
        cause,
      },
    );
  }
}

async function readKeys(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new TerminalError('failed_precondition', `oidc.jwks: '${path}' cannot be read: ${errorFrom(cause).message}`, {
      cause,
    });
  }
}
