import type { MessageInitShape } from '@bufbuild/protobuf';
import { Aggregation, Compared, PartialPolicy, Schedule } from '#proto/reward/v1/group_pb.ts';
import type { PairwiseSchema, ScoreGroupRequestSchema } from '#proto/reward/v1/group_pb.ts';
import type { Composition } from '#proto/rollout/v1/composition_pb.ts';
import { readRowFacts } from '#questions/row-facts.ts';
import { compose, withoutGroupwise } from '#rewards/compose.ts';
import type { GroupwiseScorer } from '#recipe/reward-parts.ts';
import type { Group, Sample } from '../groups/group.ts';

export type GroupRequest = MessageInitShape<typeof ScoreGroupRequestSchema>;

type PairwiseScorer = Extract<GroupwiseScorer, { kind: 'pairwise' }>;

const schedules: Readonly<Record<PairwiseScorer['schedule'], Schedule>> = {
  all_pairs: Schedule.ALL_PAIRS,
  circular: Schedule.CIRCULAR,
  swiss: Schedule.SWISS,
  budget: Schedule.BUDGET,
};

/** A sample that can be compared: it came back, and `texts` is what the policy wrote, turn by turn. */
export interface ComparedSample {
  readonly sample: Sample;
  /** Only read where transcripts are compared. */
  readonly texts: readonly string[];
}

/** How the samples of a stage are compared. */
export interface Comparison {
  readonly scorer: GroupwiseScorer;
  readonly composition: Composition;
}

/** Samples of a group that came back; the others have no reward whatever is asked. */
export function presentSamples(group: Group): Sample[] {
  return group.samples.filter(({ result }) => result !== undefined);
}

/**
 * What the reward service is asked about a group. Pure: the seed is the group's, so a group that is asked about again
 * is asked the same (P8), and the judge's cache answers. Rounds and pairs are cut to what the samples that came back allow.
 */
export function groupRequest(
  group: Group,
  compared: readonly ComparedSample[],
  { scorer, composition }: Comparison,
): GroupRequest {
  const { question, answers } = readRowFacts(group.plan.row);
  const { pointwise_first: pointwiseFirst } = scorer;
  const pointwise = withoutGroupwise(composition);
  return {
    id: group.plan.groupId,
    question,
    answers: [...answers],
    samples: compared.map(({ sample, texts }) => ({
      id: sample.taskId,
      turns: turnsOf(scorer, sample, texts),
      ...(pointwiseFirst !== undefined && pointwiseOf(sample, pointwise)),
    })),
    judge: scorer.judge,
    criterion: scorer.criterion ?? '',
    compared: scorer.compared === 'transcript' ? Compared.TRANSCRIPT : Compared.ANSWER,
    method:
      scorer.kind === 'pairwise'
        ? { case: 'pairwise', value: pairwiseOf(scorer, compared.length) }
        : { case: 'listwise', value: { passes: scorer.passes } },
    ...(pointwiseFirst !== undefined && {
      pointwiseFirst: { tolerance: pointwiseFirst.tolerance, topOnly: pointwiseFirst.top_only },
    }),
    deadlineMs: scorer.deadline_ms ?? 0,
    partial: scorer.partial === 'aggregate' ? PartialPolicy.AGGREGATE : PartialPolicy.ABSENT,
    seed: group.plan.seed,
  };
}

/** What the sample's own components make of it. */
function pointwiseOf({ result }: Sample, composition: Composition): { readonly pointwise?: number } {
  const pointwise = result === undefined ? undefined : compose(composition, result);
  return pointwise === undefined ? {} : { pointwise };
}

function turnsOf({ compared }: GroupwiseScorer, { result }: Sample, texts: readonly string[]) {
  if (compared === 'transcript') return texts.map((text) => ({ text }));
  const text = result?.prediction;
  return text === undefined ? [] : [{ text, action: { case: 'answer', value: { text } } } as const];
}

function pairwiseOf(scorer: PairwiseScorer, count: number): MessageInitShape<typeof PairwiseSchema> {
  const { schedule, rounds = 0, pairs = 0 } = scorer;
  // With an odd number one sits out each round of Swiss, and is met in the next.
  const least = schedule === 'swiss' && rounds > 0 && count % 2 === 1 ? 2 : 0;
  return {
    schedule: schedules[schedule],
    rounds: Math.min(count - 1, Math.max(rounds, least)),
    pairs: Math.min((count * (count - 1)) / 2, pairs),
    oneOrder: scorer.one_order,
    forbidTies: scorer.forbid_ties,
    aggregation: scorer.aggregation === 'win_rate' ? Aggregation.WIN_RATE : Aggregation.BRADLEY_TERRY,
  };
}
