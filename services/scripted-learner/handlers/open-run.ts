import type { MessageInitShape } from '@bufbuild/protobuf';
import type { OpenRunRequest, OpenRunResponseSchema } from '#proto/learner/v1/learner_pb.ts';
import type { ScriptedLearnerEvents } from '../events.ts';
import { openLearnerRun } from '../run/open-run.ts';
import type { RunHolder } from '../run/run-holder.ts';

/** A coordinator that comes back finds the run as it left it; only a new process reads the checkpoint. */
export async function openRun(
  holder: RunHolder,
  events: ScriptedLearnerEvents,
  request: OpenRunRequest,
): Promise<MessageInitShape<typeof OpenRunResponseSchema>> {
  return await holder.inOrder(async () => {
    const { run } = holder;
    const isSame = run?.runId === request.runId && run.directory === request.directory && request.resume;
    const open = isSame ? run : await openLearnerRun(request);
    const weightsPath = await open.weightsPath();
    holder.hold(open);
    events.runOpened(open.runId, open.step);
    const step = BigInt(open.step);
    return { step, version: step, weightsPath, parameters: 0n, tokenizerHash: open.tokenizerHash };
  });
}
