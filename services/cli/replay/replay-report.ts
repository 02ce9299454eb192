import type { Composition } from '#proto/rollout/v1/composition_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { SegmentKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { compose, withoutGroupwise } from '#rewards/compose.ts';
import type { TrajectoryComparison } from '#trajectory/compare-trajectories.ts';
import { shortId } from '../terminal/format.ts';
import { jsonLine } from '../terminal/json-line.ts';

/** What a replay reports at its end. */
export interface ReplayOutcome {
  readonly recorded: RolloutResult;
  readonly replayed: RolloutResult;
  /** The policy that played again: the recorded version, or another policy, of which no equality is expected. */
  readonly policy: { readonly same: boolean; readonly version: bigint; readonly from: string };
  readonly comparison: TrajectoryComparison;
  /** Of the recorded task. */
  readonly composition: Composition;
}

export type Verdict = 'identical' | 'identical_until_weights_changed' | 'different';

/** Tokens and reward decide; log-probabilities are only reported. */
export function verdictOf(outcome: ReplayOutcome): Verdict {
  const { comparison } = outcome;
  if (comparison.difference !== undefined) return 'different';
  if (comparison.changedWeights !== undefined) return 'identical_until_weights_changed';
  const { recorded, replayed } = rewardsOf(outcome);
  return recorded === replayed ? 'identical' : 'different';
}

/** Without what the comparison of a group adds: nothing is compared in a replay. */
function rewardsOf({ composition, recorded, replayed }: ReplayOutcome) {
  const own = withoutGroupwise(composition);
  return { recorded: compose(own, recorded), replayed: compose(own, replayed) };
}

/** Beyond what another order of adding up gives in 32-bit floats. */
const roundingLogprob = 1e-3;

export function renderReplay(outcome: ReplayOutcome): string[] {
  const { comparison, recorded, policy } = outcome;
  const { difference, changedWeights } = comparison;
  const rewards = rewardsOf(outcome);
  const head = `replayed rollout ${shortId(recorded.taskId)} of run ${recorded.runId} with policy version ${policy.version} (${policy.from})`;
  const equal = `${count(comparison.equalSegments, 'segment')} and ${count(comparison.equalTokens, 'token')}`;
  const logprobs =
    comparison.largestLogprobDifference === 0
      ? 'log-probabilities agree to the last bit'
      : `log-probabilities differ by at most ${comparison.largestLogprobDifference.toExponential(1)}`;
  if (difference !== undefined) {
    return [
      head,
      `different at segment ${difference.segment} (${kindWord(difference.kind)}), token ${difference.token} of the segment; before it ${equal} are equal, ${logprobs}`,
      side('recorded', difference.expectedToken, difference.expectedLogprob, difference.expectedText),
      side('replayed', difference.gotToken, difference.gotLogprob, difference.gotText),
      cause(outcome),
    ];
  }
  if (changedWeights !== undefined) {
    return [
      head,
      `identical up to segment ${changedWeights.segment}: ${equal}, ${logprobs}`,
      `segment ${changedWeights.segment} was written by versions ${changedWeights.first} to ${changedWeights.last}: weights were loaded during the rollout, so no exact replay of the rest is possible`,
    ];
  }
  if (rewards.recorded !== rewards.replayed) {
    return [
      head,
      `different reward for the same ${count(comparison.equalTokens, 'token')}: recorded ${rewardText(rewards.recorded)}, replayed ${rewardText(rewards.replayed)}; the scorers are not those of the record`,
    ];
  }
  return [head, `identical: ${equal}, reward ${rewardText(rewards.recorded)}; ${logprobs}`];
}

function cause({ comparison, policy }: ReplayOutcome): string {
  switch (comparison.difference?.kind) {
    case SegmentKind.PROMPT:
      return 'the prompt is built or tokenised otherwise than when it was recorded';
    case SegmentKind.ENVIRONMENT:
      return 'the environment answered otherwise: the corpus, the index or its options are not those of the record';
    case SegmentKind.MODEL:
      if (!policy.same) return 'the policy wrote otherwise, as another policy may';
      if (comparison.largestLogprobDifference > roundingLogprob)
        return 'the policy wrote otherwise, and its log-probabilities were apart before: these are other weights or another engine';
      if (comparison.largestLogprobDifference > 0)
        return 'the policy wrote otherwise, with log-probabilities that were equal up to rounding: an engine adds up in another order when other requests share the batch, and a draw at the edge of two tokens may fall to the other side';
      return 'the policy wrote otherwise, without a difference before: a draw at the edge of two tokens, or another engine';
    default:
      return 'one of the two ended there';
  }
}

function side(name: string, token: number | undefined, logprob: number | undefined, text: string): string {
  const what = token === undefined ? 'has ended' : `token ${token}`;
  const probability = logprob === undefined ? '' : `, logprob ${logprob.toFixed(6)}`;
  return `  ${name}: ${what}${probability}, text ${JSON.stringify(text)}`;
}

function kindWord(kind: SegmentKind): string {
  switch (kind) {
    case SegmentKind.PROMPT:
      return 'prompt';
    case SegmentKind.MODEL:
      return 'policy';
    case SegmentKind.ENVIRONMENT:
      return 'environment';
    default:
      return 'unknown kind';
  }
}

function rewardText(value: number | undefined): string {
  return value === undefined ? 'none' : value.toFixed(4);
}

function count(value: number, what: string): string {
  return `${value} ${what}${value === 1 ? '' : 's'}`;
}

/** For machines; 64-bit numbers as text, as protobuf's JSON has them. */
export function replayJson(outcome: ReplayOutcome): string {
  const { comparison, recorded, policy } = outcome;
  const { difference, changedWeights, ...equal } = comparison;
  const rewards = rewardsOf(outcome);
  return jsonLine({
    verdict: verdictOf(outcome),
    taskId: recorded.taskId,
    runId: recorded.runId,
    policy: { ...policy, version: String(policy.version) },
    ...equal,
    difference: difference === undefined ? null : { ...difference, kind: kindWord(difference.kind) },
    changedWeights:
      changedWeights === undefined
        ? null
        : {
            segment: changedWeights.segment,
            first: String(changedWeights.first),
            last: String(changedWeights.last),
          },
    reward: { recorded: rewards.recorded ?? null, replayed: rewards.replayed ?? null },
  });
}
