import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { rolesOf, type RoleName } from './roles.ts';

export interface Peer {
  readonly roles: readonly RoleName[];
  /** Of its certificate, in hexadecimal digits: which of several of one role it is. */
  readonly serialNumber: string;
  /** Of its certificate; a connection may outlive it. In milliseconds since the epoch. */
  readonly expiresMs: number;
}

/**
 * Who is at the other end of each connection of a server: a certificate is read once, at the handshake, and not at each call. Keyed by
 * `address:port`, which is one connection's alone as long as it lives.
 */
export interface PeerRegistry {
  add(socket: TLSSocket): void;
  find(peer: string): Peer | undefined;
}

export function createPeerRegistry(): PeerRegistry {
  const peers = new Map<string, Peer>();
  return {
    add(socket) {
      const name = `${socket.remoteAddress}:${socket.remotePort}`;
      const peer = peerOf(socket);
      if (peer === undefined) return;
      peers.set(name, peer);
      socket.once('close', () => {
        if (peers.get(name) === peer) peers.delete(name);
      });
    },
    find: (name) => peers.get(name),
  };
}

/** Undefined where the other side showed no certificate that our authority signed. */
export function peerOf(socket: TLSSocket): Peer | undefined {
  if (!socket.authorized) return undefined;
  const { raw } = socket.getPeerCertificate();
  if (raw === undefined) return undefined;
  const certificate = new X509Certificate(raw);
  const { serialNumber, validTo } = certificate;
  return { roles: rolesOf(certificate), serialNumber, expiresMs: Date.parse(validTo) };
}
