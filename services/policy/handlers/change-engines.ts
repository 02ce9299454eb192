import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  AddEngineRequest,
  AddEngineResponseSchema,
  RemoveEngineRequest,
  RemoveEngineResponseSchema,
} from '#proto/policy/v1/policy_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { isLoopbackAddress } from '#platform/http/allowed-hosts.ts';
import type { PolicyContext } from '../service.ts';

/** Of a DNS name, a colon and a port. */
const maxAddressLength = 260;

export async function addEngine(
  { fleet, allowRemote, added }: PolicyContext,
  { address }: AddEngineRequest,
): Promise<MessageInitShape<typeof AddEngineResponseSchema>> {
  checkMayJoin(address, allowRemote);
  fleet.add(address);
  await added?.record(address);
  return { engines: fleet.describe().entries.length };
}

export function checkMayJoin(address: string, allowRemote: boolean): void {
  checkAddress('AddEngine', address);
  // What an engine writes is trained on: nobody who reaches this port may name one elsewhere.
  if (!allowRemote && !isLoopbackAddress(address)) {
    throw new TerminalError(
      'permission_denied',
      `AddEngine: address is '${address}', another machine; this gateway takes engines of this one only, unless it has certificates (--tls-cert) or is started with --insecure-remote`,
      { details: { field: 'address' } },
    );
  }
}

export function checkAddress(method: string, address: string): void {
  if (address.length > maxAddressLength || !/^[^\s,/]+:\d{1,5}$/.test(address)) {
    throw new TerminalError(
      'invalid_argument',
      `${method}: address is '${address.slice(0, maxAddressLength)}'; it must be host:port, for example 127.0.0.1:41234`,
      { details: { field: 'address' } },
    );
  }
}

const MAX_DRAIN_MS = 600_000;

export async function removeEngine(
  { fleet, added }: PolicyContext,
  { address, drainMs }: RemoveEngineRequest,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof RemoveEngineResponseSchema>> {
  checkAddress('RemoveEngine', address);
  if (drainMs > MAX_DRAIN_MS) {
    throw new TerminalError('invalid_argument', `RemoveEngine: drain_ms is ${drainMs}; at most ${MAX_DRAIN_MS}`, {
      details: { field: 'drain_ms' },
    });
  }
  // First: the folder must not bring it back while it drains.
  await added?.forget(address);
  const moved = await fleet.remove(address, drainMs, signal);
  return { moved, engines: fleet.describe().entries.length };
}
