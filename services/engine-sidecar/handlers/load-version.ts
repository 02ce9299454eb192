import type { MessageInitShape } from '@bufbuild/protobuf';
import type { LoadVersionRequest, LoadVersionResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { checkRoots } from '#platform/files/check-roots.ts';
import { checkVersion } from '#weights/check-version.ts';
import { checkWeights } from '#weights/manifest.ts';
import type { SidecarContext } from '../context.ts';
import type { WeightsGiver } from '../versions/give-weights.ts';

/** Refusals as of the built-in engine (gradus_learner/engine/service.py), and of servers that take no weights. */
export async function loadVersion(
  context: SidecarContext,
  give: WeightsGiver,
  { version, weightsPath, weightsDigest, epoch }: LoadVersionRequest,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof LoadVersionResponseSchema>> {
  const { config, link, loads, artefacts, line, fence, events } = context;
  checkVersion(version, loads.served.version);
  fence.admit(epoch);
  const startedMs = performance.now();
  let carriedOver = 0;
  const isNew = await loads.load({ version, weightsPath, weightsDigest }, async (target) => {
    if (!loads.possible) {
      throw new TerminalError(
        'failed_precondition',
        [
          `version is ${version}, and the weights of ${link.description.program} cannot be replaced.`,
          ...link.description.advice,
        ].join(' '),
      );
    }
    if (weightsPath === '')
      throw new TerminalError(
        'invalid_argument',
        'weights_path is empty; name the directory that holds model.safetensors',
      );
    const directory = await artefacts.fetch(weightsPath, signal);
    await checkRoots('weights_path', directory, config.roots);
    const digest = await checkWeights(directory, weightsDigest);
    carriedOver = line.running;
    const found = { ...target, weightsDigest: digest };
    const before = loads.served.weightsPath;
    await give({ ...found, weightsPath: directory });
    await artefacts.keepOnly([before, weightsPath].filter((each) => each !== ''));
    return found;
  });
  if (isNew) events.loaded(loads.served, carriedOver, performance.now() - startedMs);
  return { version, carriedOver: isNew ? carriedOver : 0 };
}
