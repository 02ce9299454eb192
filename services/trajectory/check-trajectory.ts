import { LogprobKind, type Segment, SegmentKind, type Trajectory } from '#proto/trajectory/v1/trajectory_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { badLogprob, concatenateTokens, segmentsOfRole } from './segments.ts';
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
  const { roles, segments } = trajectory;
  const sequences = roles.length === 0 ? [{ role: '', sequenceDigest: trajectory.sequenceDigest }] : roles;
  const begun = new Set<string>();
  for (const [index, segment] of segments.entries()) {
    checkSegment(segment, index, begun, fail);
    if (!sequences.some(({ role }) => role === segment.role))
      fail(`segments[${index}].role`, `is '${segment.role}'; the trajectory has no sequence of that role`);
  }
  for (const [index, { role, sequenceDigest: digest }] of sequences.entries()) {
    const field = roles.length === 0 ? 'sequence_digest' : `roles[${index}].sequence_digest`;
    if (sequences.findIndex((other) => other.role === role) !== index) fail(`roles[${index}].role`, 'is there twice');
    if (!begun.has(role)) fail(`roles[${index}].role`, `is '${role}', which has no segment`);
    if (digest.length !== DIGEST_BYTES) fail(field, `has ${digest.length} bytes instead of ${DIGEST_BYTES}`);
    if (!digestsEqual(sequenceDigest(concatenateTokens(segmentsOfRole(segments, role))), digest))
      fail(field, 'is not the digest of the concatenated segments: these are not the tokens that the engine saw');
  }
}

type Fail = (field: string, problem: string) => never;

/** `begun`: roles that have their prompt already. */
function checkSegment(segment: Segment, index: number, begun: Set<string>, fail: Fail): void {
  const at = `segments[${index}]`;
  if (segment.kind === SegmentKind.UNSPECIFIED) fail(`${at}.kind`, 'is unspecified');
  if (begun.has(segment.role) === (segment.kind === SegmentKind.PROMPT)) {
    fail(
      `${at}.kind`,
      begun.has(segment.role)
        ? 'is PROMPT; only the first segment of a sequence may be'
        : 'is not PROMPT; a sequence begins with its prompt',
    );
  }
  begun.add(segment.role);
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
