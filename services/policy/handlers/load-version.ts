import type { MessageInitShape } from '@bufbuild/protobuf';
import type { LoadVersionRequest, LoadVersionResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import type { PolicyContext } from '../service.ts';

/** Versions grow by one with each step; a run that follows another one goes on above its last. */
const longestJump = 2n ** 32n;

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

/** Engines never go back, so one version out of reach would be the last that this fleet loads. */
function checkVersion(version: bigint, current: bigint): void {
  const highest = current + longestJump;
  if (version <= highest && version <= BigInt(Number.MAX_SAFE_INTEGER)) return;
  throw new TerminalError(
    'invalid_argument',
    `LoadVersion: version is ${version}, and the engines serve ${current}; give one of at most ${highest}`,
    { details: { field: 'version' } },
  );
}
