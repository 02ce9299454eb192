/** Who may ask an HTTP server that has certificates: a peer with a certificate of a role, or a bearer of a token of one. */
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { peerOf, type Peer } from '../security/peer-registry.ts';
import type { RoleName } from '../security/roles.ts';
import type { Security } from '../security/security.ts';

export interface HttpRefused {
  readonly status: 401 | 403;
  readonly headers: Readonly<Record<string, string>>;
  readonly message: string;
}

/** Why a request is refused; undefined where it is not. */
export type HttpAdmission = (request: Pick<IncomingMessage, 'headers' | 'socket'>) => HttpRefused | undefined;

/** Without certificates everyone may ask: what is reached by a stranger then is decided by where it listens. */
export function createHttpAdmission(security: Security | undefined, allowed: readonly RoleName[]): HttpAdmission {
  if (security?.tls === undefined) return () => undefined;
  const { tokens, refusals } = security;
  /** Certificates are read once a connection. */
  const peers = new WeakMap<TLSSocket, Peer>();

  function peerAt(socket: IncomingMessage['socket']): Peer | undefined {
    if (!(socket instanceof TLSSocket)) return undefined;
    const known = peers.get(socket) ?? peerOf(socket);
    if (known !== undefined) peers.set(socket, known);
    return known;
  }

  function rolesOf({ headers, socket }: Parameters<HttpAdmission>[0]): readonly RoleName[] | undefined {
    const peer = peerAt(socket);
    const certified = peer !== undefined && peer.expiresMs > Date.now() ? peer.roles : undefined;
    const bearer = /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1];
    const token = bearer === undefined ? undefined : tokens?.find(bearer);
    return token === undefined ? certified : [...(certified ?? []), token.role];
  }

  return (request) => {
    const roles = rolesOf(request);
    const peer = request.socket.remoteAddress;
    if (roles === undefined) {
      refusals?.count('http', request.headers.authorization === undefined ? 'certificate' : 'token', { peer });
      return {
        status: 401,
        headers: { 'content-type': 'text/plain', 'www-authenticate': 'Bearer realm="gradus"' },
        message:
          'a certificate of this fleet is needed, or a token: Authorization: Bearer TOKEN (gradus credentials token)',
      };
    }
    if (roles.some((role) => allowed.includes(role))) return undefined;
    refusals?.count('http', 'role', { peer, roles });
    return {
      status: 403,
      headers: { 'content-type': 'text/plain' },
      message: `${roles.join(' and ') || 'a caller without a role'} may not ask this; it is for ${allowed.join(', ')}`,
    };
  };
}
