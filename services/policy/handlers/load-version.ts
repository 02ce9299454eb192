import type { MessageInitShape } from '@bufbuild/protobuf';
import type { LoadVersionRequest, LoadVersionResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { checkVersion } from '#weights/check-version.ts';
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
  const { version, weightsPath, weightsDigest, epoch } = request;
  checkVersion(version, fleet.describe().version);
  fence.admit(epoch);
  return await fleet.loadVersion({ version, weightsPath, weightsDigest, epoch }, signal);
}
