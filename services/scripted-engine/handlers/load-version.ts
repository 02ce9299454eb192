import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { LoadVersionRequest, LoadVersionResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { TerminalError } from '#shared/errors.ts';
import type { Engine } from '../engine/engine.ts';

/** Weights are not read, but they have to be there: a version that the learner never wrote must not be served. */
export async function loadVersion(
  engine: Engine,
  { version, weightsPath }: LoadVersionRequest,
): Promise<MessageInitShape<typeof LoadVersionResponseSchema>> {
  if (version > engine.version) {
    const path = join(weightsPath, 'model.safetensors');
    await access(path).catch((cause: unknown) => {
      throw new TerminalError('failed_precondition', `weights_path: ${path} cannot be read`, { cause });
    });
  }
  return engine.loadVersion(version, weightsPath);
}
