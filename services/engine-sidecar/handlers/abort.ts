import type { MessageInitShape } from '@bufbuild/protobuf';
import type { AbortRequest, AbortResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import type { SidecarContext } from '../context.ts';

export function abort(
  { live }: SidecarContext,
  { requestId }: AbortRequest,
): MessageInitShape<typeof AbortResponseSchema> {
  if (requestId === '') throw new TerminalError('invalid_argument', 'request_id is empty; name the request to abort');
  return { aborted: live.abort(requestId) };
}
