import type { StepSample } from '#proto/learner/v1/learner_pb.ts';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { checkTrajectory } from '#trajectory/check-trajectory.ts';
import { decodeTrajectory } from '#trajectory/encode-trajectory.ts';
import { countTokens, segmentsOfRole } from '#trajectory/segments.ts';

/** What is kept of a sample: no tokens. */
export interface TrainedSample {
  readonly taskId: string;
  /** Of its sequence, lower-case hex. */
  readonly digest: string;
  readonly advantage: number;
  readonly truncated: boolean;
  readonly tokens: number;
  readonly modelTokens: number;
}

/** Throws TerminalError('invalid_argument') for a sample that must not be trained on: cut, foreign, or with another digest. */
export async function readSample(sample: StepSample, index: number): Promise<TrainedSample> {
  try {
    if (!Number.isFinite(sample.advantage)) {
      throw new TerminalError('invalid_argument', `advantage is ${sample.advantage}; it must be finite`);
    }
    const trajectory = await decodeTrajectory(sample.trajectory);
    checkTrajectory(trajectory);
    const { role } = sample;
    const named = trajectory.roles.find((sequence) => sequence.role === role);
    if (named === undefined && (role !== '' || trajectory.roles.length > 0))
      throw new TerminalError('invalid_argument', `role is '${role}'; the trajectory has no sequence of it`);
    const { prompt, model, environment } = countTokens(segmentsOfRole(trajectory.segments, role));
    return {
      taskId: trajectory.taskId,
      digest: Buffer.from((named ?? trajectory).sequenceDigest).toString('hex'),
      advantage: sample.advantage,
      truncated: sample.truncated,
      tokens: prompt + model + environment,
      modelTokens: model,
    };
  } catch (cause) {
    throw new TerminalError('invalid_argument', `sample ${index}: ${errorFrom(cause).message}`, { cause });
  }
}
