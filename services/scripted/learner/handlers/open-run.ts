import type { MessageInitShape } from '@bufbuild/protobuf';
import type { OpenRunRequest, OpenRunResponseSchema } from '#proto/learner/v1/learner_pb.ts';
import type { ScriptedLearnerEvents } from '../events.ts';
import { openLearnerRun, type RunHolder } from '../run/open-run.ts';

/** A coordinator that comes back finds the run as it left it; only a new process reads the checkpoint. */
export async function openRun(
  holder: RunHolder,
  events: ScriptedLearnerEvents,
  roots: readonly string[],
  request: OpenRunRequest,
): Promise<MessageInitShape<typeof OpenRunResponseSchema>> {
  return await holder.inOrder(async () => {
    const { run } = holder;
    const isSame = run?.runId === request.runId && run.directory === request.directory && request.resume;
    const open = isSame ? run : await openLearnerRun(request, roots);
    const { weightsPath, weightsDigest } = await open.weights();
    holder.hold(open);
    const damaged = [...open.damaged];
    events.runOpened(open.runId, open.step, damaged);
    const step = BigInt(open.step);
    const { tokenizerHash } = open;
    return { step, version: step, weightsPath, weightsDigest, parameters: 0n, tokenizerHash, damaged };
  });
}
