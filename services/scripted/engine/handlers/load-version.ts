import type { MessageInitShape } from '@bufbuild/protobuf';
import type { LoadVersionRequest, LoadVersionResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { checkRoots } from '#platform/files/check-roots.ts';
import { checkWeights } from '#weights/manifest.ts';
import type { Engine } from '../engine/engine.ts';

/** Weights mean nothing here, but they have to be there as the learner wrote them. */
export async function loadVersion(
  engine: Engine,
  roots: readonly string[],
  { version, weightsPath, weightsDigest }: LoadVersionRequest,
): Promise<MessageInitShape<typeof LoadVersionResponseSchema>> {
  if (version > BigInt(Number.MAX_SAFE_INTEGER))
    throw new TerminalError('invalid_argument', `version is ${version}; it must be at most 2^53 - 1`);
  const serves = version === engine.version && ['', engine.weightsDigest].includes(weightsDigest);
  // What it started with is nobody's weights: any digest of version 0 is right.
  if (version < engine.version || serves || version === 0n)
    return engine.loadVersion(version, engine.weightsPath, engine.weightsDigest);
  await checkRoots('weights_path', weightsPath, roots);
  return engine.loadVersion(version, weightsPath, await checkWeights(weightsPath, weightsDigest));
}
