import { SegmentKind, LogprobKind, type Segment, type Trajectory } from '#proto/trajectory/v1/trajectory_pb.ts';
import { TerminalError } from '#shared/errors.ts';
import { badLogprob } from './bad-logprob.ts';
import { concatenateTokens } from './segments.ts';
import { digestsEqual, sequenceDigest } from './sequence-digest.ts';

const DIGEST_BYTES = 32;

/**
 * Checks the invariants of a trajectory (DESIGN §5). Throws TerminalError('data_loss') that names the task, the segment and
 * the field: a trajectory that breaks one must never be trained on.
 */
export function checkTrajectory(trajectory: Trajectory): void {
  const fail = (field: string, problem: string): never => {
    throw new TerminalError(
      'data_loss',
      `trajectory of task ${trajectory.taskId || '(no task id)'}: ${field} ${problem}`,
      {
        details: { runId: trajectory.runId, taskId: trajectory.taskId, field },
      },
    );
  };
  if (trajectory.taskId === '') fail('task_id', 'is empty');
  if (trajectory.tokenizerHash === '') fail('tokenizer_hash', 'is empty; it must be the SHA-256 of tokenizer.json');
  if (trajectory.segments.length === 0) fail('segments', 'is empty; the first segment must be the prompt');
  trajectory.segments.forEach((segment, index) => checkSegment(segment, index, fail));
  if (trajectory.sequenceDigest.length !== DIGEST_BYTES) {
    fail('sequence_digest', `has ${trajectory.sequenceDigest.length} bytes instead of ${DIGEST_BYTES}`);
  }
  if (!digestsEqual(sequenceDigest(concatenateTokens(trajectory.segments)), trajectory.sequenceDigest)) {
    fail(
      'sequence_digest',
      'is not the digest of the concatenated segments: these are not the tokens that the engine saw',
    );
  }
}

type Fail = (field: string, problem: string) => never;

function checkSegment(segment: Segment, index: number, fail: Fail): void {
  const at = `segments[${index}]`;
  if (segment.kind === SegmentKind.UNSPECIFIED) fail(`${at}.kind`, 'is unspecified');
  if ((index === 0) !== (segment.kind === SegmentKind.PROMPT)) {
    fail(
      `${at}.kind`,
      index === 0 ? 'is not PROMPT; a trajectory begins with its prompt' : 'is PROMPT; only the first segment may be',
    );
  }
  if (segment.kind !== SegmentKind.MODEL) {
    if (segment.tokenIds.length === 0) fail(`${at}.token_ids`, 'is empty');
    if (segment.logprobs.length > 0) fail(`${at}.logprobs`, 'is set, but only model segments have log-probabilities');
    return;
  }
  const logprobs = segment.logprobKind === LogprobKind.ABSENT ? 0 : segment.tokenIds.length;
  if (segment.logprobs.length !== logprobs) {
    fail(`${at}.logprobs`, `has ${segment.logprobs.length} entries for ${segment.tokenIds.length} tokens`);
  }
  if (segment.logprobKind === LogprobKind.UNSPECIFIED) fail(`${at}.logprob_kind`, 'is unspecified');
  if (segment.versions === undefined) fail(`${at}.versions`, 'is missing');
  if (segment.sampling === undefined) fail(`${at}.sampling`, 'is missing');
  const bad = badLogprob(segment.logprobs);
  if (bad >= 0)
    fail(`${at}.logprobs[${bad}]`, `is ${String(segment.logprobs[bad])}; a log-probability is finite and at most 0`);
}
