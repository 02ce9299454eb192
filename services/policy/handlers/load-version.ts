import type { MessageInitShape } from '@bufbuild/protobuf';
import type { LoadVersionRequest, LoadVersionResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { TerminalError } from '#shared/errors.ts';
import type { PolicyContext } from '../service.ts';

export async function loadVersion(
  { fleet, fence }: PolicyContext,
  request: LoadVersionRequest,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof LoadVersionResponseSchema>> {
  if (request.weightsPath === '') {
    throw new TerminalError(
      'invalid_argument',
      'LoadVersion: weights_path is empty; give the directory with model.safetensors',
    );
  }
  fence.admit(request.epoch);
  const { version, weightsPath, epoch } = request;
  return await fleet.loadVersion({ version, weightsPath, epoch }, signal);
}
