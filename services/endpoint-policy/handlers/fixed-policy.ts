import type { MessageInitShape } from '@bufbuild/protobuf';
import type { LoadVersionRequest, LoadVersionResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { TerminalError } from '#platform/errors.ts';

/** Version 0 is what the endpoint serves, whatever that is. */
export function loadVersion({ version }: LoadVersionRequest): MessageInitShape<typeof LoadVersionResponseSchema> {
  if (version === 0n) return { version: 0n, carriedOver: 0 };
  throw new TerminalError(
    'failed_precondition',
    `LoadVersion: version is ${version}; an endpoint cannot be given weights, so only version 0 is there: evaluate it, or train a model directory`,
  );
}

export function addEngine(): never {
  throw new TerminalError('unimplemented', 'AddEngine: an endpoint has no engines of its own to add');
}

export function removeEngine(): never {
  throw new TerminalError('unimplemented', 'RemoveEngine: an endpoint has no engines of its own to remove');
}
