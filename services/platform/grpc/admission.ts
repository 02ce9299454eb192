/** The one place that decides whether a caller may ask a method: by the roles of its certificate, the method's options, and how often it asks. */
import type { DescMethod } from '@bufbuild/protobuf';
import { TerminalError, TransientError } from '../errors.ts';
import { isPerson } from '../security/oidc-fields.ts';
import type { PeerRegistry } from '../security/peer-registry.ts';
import { callersOf } from '../security/roles.ts';
import type { Security } from '../security/security.ts';

/** Throws TerminalError permission_denied, or TransientError resource_exhausted for a caller that asks too often; `peer` is its `address:port`. */
export type Admission = (peer: string) => void;

/** Without certificates everyone may ask everything: what is reached by a stranger then is decided by where it listens. */
export function createAdmission(
  method: DescMethod,
  peers: () => PeerRegistry | undefined,
  security: Pick<Security, 'refusals' | 'requestRate'> | undefined,
): Admission {
  const { refusals, requestRate } = security ?? {};
  const allowed = callersOf(method);
  const name = `${method.parent.typeName}/${method.name}`;
  function refuse(peer: string, roles: readonly string[], why: string): never {
    refusals?.count('grpc', 'role', { method: name, peer, roles });
    throw new TerminalError('permission_denied', `${method.name}: ${why}`);
  }
  return (peer) => {
    const known = peers();
    if (known === undefined) return;
    const found = known.find(peer);
    if (found === undefined) refuse(peer, [], 'it is not known who asks');
    const { roles, expiresMs, serialNumber } = found;
    if (expiresMs <= Date.now())
      refuse(peer, roles, 'the certificate of the caller is over; renew it and connect again');
    if (!roles.some((role) => allowed.includes(role))) {
      const asks = roles.length === 0 ? 'a caller without a role' : roles.join(' and ');
      refuse(peer, roles, `${asks} may not ask this; it is for ${allowed.join(', ') || 'nobody'}`);
    }
    const waitMs = requestRate !== undefined && isPerson(roles) ? requestRate.take(serialNumber) : 0;
    if (waitMs > 0) {
      refusals?.count('grpc', 'rate', { method: name, peer, roles });
      throw new TransientError(
        'resource_exhausted',
        `${method.name}: this caller asks more often than the server allows (request_rate); ask again in ${waitMs} ms`,
        { retryAfterMs: waitMs },
      );
    }
  };
}
