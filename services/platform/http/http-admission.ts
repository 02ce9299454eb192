/** Who may ask an HTTP server that has certificates, and how often: a peer with a certificate of a role, or a bearer of a token of one, ours or of an identity provider. */
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { TransientError, errorFrom } from '../errors.ts';
import { digestOf } from '../security/bearer-tokens.ts';
import { isPerson } from '../security/oidc-fields.ts';
import { peerOf, type Peer } from '../security/peer-registry.ts';
import type { RoleName } from '../security/roles.ts';
import type { Security } from '../security/security.ts';

export interface HttpRefused {
  /** 429: it asks too often. 503: what its issuer could say of a token cannot be had now. */
  readonly status: 401 | 403 | 429 | 503;
  readonly headers: Readonly<Record<string, string>>;
  readonly message: string;
}

type Asked = Pick<IncomingMessage, 'headers' | 'socket'>;

/** Why a request is refused; undefined where it is not. */
export type HttpAdmission = (request: Asked) => Promise<HttpRefused | undefined>;

/** Who is known to ask: by a certificate or by a token. */
interface Caller {
  readonly id: string;
  readonly roles: readonly RoleName[];
}

/** Without certificates everyone may ask: what is reached by a stranger then is decided by where it listens. */
export function createHttpAdmission(security: Security | undefined, allowed: readonly RoleName[]): HttpAdmission {
  if (security?.tls === undefined) return async () => undefined;
  const { tokens, oidc, refusals, requestRate } = security;
  /** Certificates are read once a connection. */
  const peers = new WeakMap<TLSSocket, Peer>();

  function peerAt(socket: IncomingMessage['socket']): Peer | undefined {
    if (!(socket instanceof TLSSocket)) return undefined;
    const known = peers.get(socket) ?? peerOf(socket);
    if (known !== undefined) peers.set(socket, known);
    return known;
  }

  function certified(socket: IncomingMessage['socket']): Caller | undefined {
    const peer = peerAt(socket);
    return peer !== undefined && peer.expiresMs > Date.now() ? { id: peer.serialNumber, roles: peer.roles } : undefined;
  }

  async function bearer({ headers }: Asked): Promise<Caller | undefined> {
    const text = /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1];
    if (text === undefined) return undefined;
    const token = tokens?.find(text);
    const roles = token === undefined ? await oidc?.find(text) : [token.role];
    return roles && { id: digestOf(text), roles };
  }

  return async (request) => {
    const connected = certified(request.socket);
    let asking: Caller | undefined;
    try {
      asking = await bearer(request);
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (!(error instanceof TransientError)) throw error;
      return {
        status: 503,
        headers: { 'content-type': 'text/plain', 'retry-after': `${Math.ceil(error.retryAfterMs / 1_000)}` },
        message: error.message,
      };
    }
    const peer = request.socket.remoteAddress;
    if (connected === undefined && asking === undefined) {
      refusals?.count('http', request.headers.authorization === undefined ? 'certificate' : 'token', { peer });
      return {
        status: 401,
        headers: { 'content-type': 'text/plain', 'www-authenticate': 'Bearer realm="gradus"' },
        message:
          'a certificate of this fleet is needed, or a token: Authorization: Bearer TOKEN (gradus credentials token)',
      };
    }
    const roles = [...(connected?.roles ?? []), ...(asking?.roles ?? [])];
    if (!roles.some((role) => allowed.includes(role))) {
      refusals?.count('http', 'role', { peer, roles });
      return {
        status: 403,
        headers: { 'content-type': 'text/plain' },
        message: `${roles.join(' and ') || 'a caller without a role'} may not ask this; it is for ${allowed.join(', ')}`,
      };
    }
    const id = asking?.id ?? connected?.id ?? '';
    const waitMs = requestRate !== undefined && isPerson(roles) ? requestRate.take(id) : 0;
    if (waitMs === 0) return undefined;
    refusals?.count('http', 'rate', { peer, roles });
    return {
      status: 429,
      headers: { 'content-type': 'text/plain', 'retry-after': `${Math.ceil(waitMs / 1_000)}` },
      message: `this caller asks more often than the server allows (request_rate); ask again in ${waitMs} ms`,
    };
  };
}
