/**
 * Where a gRPC server listens with mutual TLS. The handshake is done here and not by the library, so that peers that are refused are counted,
 * certificates are replaced while it listens, and the server knows who is at the other end of a connection.
 */
import { ServerCredentials, type Server } from '@grpc/grpc-js';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { createPeerRegistry, type PeerRegistry } from '../security/peer-registry.ts';
import type { Refusals } from '../security/refusals.ts';
import type { Logger } from '../telemetry/logging.ts';
import type { TlsMaterial } from '../security/tls-material.ts';

export interface SecureListener {
  readonly port: number;
  readonly peers: PeerRegistry;
  /** Takes no new connections. */
  close(): void;
}

/** Longest time for a handshake. */
const handshakeMs = 10_000;

export async function listenSecurely(
  server: Server,
  address: string,
  tls: TlsMaterial,
  refusals: Refusals | undefined,
  log: Logger,
): Promise<SecureListener> {
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const peers = createPeerRegistry();
  const listener = createServer({
    ...tls.pems,
    requestCert: true,
    // Decided below, where the reason is known.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['h2'],
    handshakeTimeout: handshakeMs,
    noDelay: true,
  });
  function refuse(socket: TLSSocket, why: string): void {
    refusals?.count('grpc', 'certificate', { peer: socket.remoteAddress, why });
  }

  listener.on('secureConnection', (socket) => {
    socket.on('error', () => undefined);
    if (!socket.authorized) {
      refuse(socket, String(socket.authorizationError));
      socket.destroy();
      return;
    }
    peers.add(socket);
    injector.injectConnection(socket);
  });
  listener.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    // One that only looks whether the port is open, and is no caller.
    if (error.code !== 'ECONNRESET') refuse(socket, error.message);
  });
  const unfollow = tls.follow((pems) => listener.setSecureContext(pems));

  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen({ host, port: Number(address.slice(colon + 1)), backlog: 1_024 }, () => {
      listener.off('error', reject);
      resolve();
    });
  });
  // A connection that cannot be taken, as for want of file descriptors, ends nothing else.
  listener.on('error', (error) => log.warn({ err: error }, 'a connection could not be accepted'));
  const bound = listener.address() as AddressInfo;
  return {
    port: bound.port,
    peers,
    close() {
      unfollow();
      listener.close();
    },
  };
}
