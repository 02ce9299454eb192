/** What a client of gRPC shows, and whom it takes for a server. */
import { credentials, experimental, type ChannelCredentials, type ChannelOptions } from '@grpc/grpc-js';
import { nameOfRole, type RoleName } from '../security/roles.ts';
import type { Security } from '../security/security.ts';
import type { Pems } from '../security/tls-material.ts';

export interface ChannelSecurity {
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
}

/**
 * `server`: the role that the other side must have, whatever its address; undefined takes anyone whose certificate our authority signed, for
 * what gives nothing away. Certificates are read again at each connection.
 */
export function channelSecurity(security: Security | undefined, server: RoleName | undefined): ChannelSecurity {
  const tls = security?.tls;
  if (tls === undefined) return { credentials: credentials.createInsecure(), options: {} };
  type Listener<T> = (update: T | null) => void;
  const followers = new Map<unknown, () => void>();
  function follow<T>(listener: Listener<T>, updateOf: (pems: Pems) => T): void {
    followers.set(listener, tls?.follow((pems) => listener(updateOf(pems))) ?? (() => undefined));
  }
  const withdraw = (listener: unknown): void => {
    followers.get(listener)?.();
    followers.delete(listener);
  };
  const provider: experimental.CertificateProvider = {
    addCaCertificateListener: (listener) => follow(listener, ({ ca }) => ({ caCertificate: ca })),
    removeCaCertificateListener: withdraw,
    addIdentityCertificateListener: (listener) =>
      follow(listener, ({ cert, key }) => ({ certificate: cert, privateKey: key })),
    removeIdentityCertificateListener: withdraw,
  };
  return {
    credentials: experimental.createCertificateProviderChannelCredentials(
      provider,
      provider,
      server === undefined ? { checkServerIdentity: () => undefined } : {},
    ),
    // An address is no name for TLS; the name of nobody is not checked.
    options: { 'grpc.ssl_target_name_override': nameOfRole(server ?? 'any') },
  };
}
