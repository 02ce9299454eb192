import type { MessageInitShape } from '@bufbuild/protobuf';
import type { AddEngineRequest, AddEngineResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { TerminalError } from '#shared/errors.ts';
import type { PolicyContext } from '../service.ts';

export function addEngine(
  { fleet }: PolicyContext,
  { address }: AddEngineRequest,
): MessageInitShape<typeof AddEngineResponseSchema> {
  checkAddress('AddEngine', address);
  fleet.add(address);
  return { engines: fleet.describe().seats.length };
}

export function checkAddress(method: string, address: string): void {
  if (!/^[^\s,/]+:\d{1,5}$/.test(address)) {
    throw new TerminalError(
      'invalid_argument',
      `${method}: address is '${address}'; it must be host:port, for example 127.0.0.1:41234`,
      { details: { field: 'address' } },
    );
  }
}
