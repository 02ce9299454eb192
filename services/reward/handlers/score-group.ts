import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ComparisonSchema, ScoreGroupRequest, ScoreGroupResponseSchema } from '#proto/reward/v1/group_pb.ts';
import type { GroupEvents } from '../groups/group-events.ts';
import { withSpan } from '#platform/telemetry/tracing.ts';
import type { Comparison, GroupTask } from '../groups/group-task.ts';
import { groupLabel, parseGroup } from '../groups/parse-group.ts';
import { scoreMembers, type GroupReport } from '../groups/score-members.ts';
import type { Judge } from '../judge/judge.ts';
import type { Judges } from '../judge/judges.ts';

/** Scores, in the order of the samples, and what they are made of. */
export async function scoreGroup(
  { events, judges }: { readonly events: GroupEvents; readonly judges: Judges },
  request: ScoreGroupRequest,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof ScoreGroupResponseSchema>> {
  const judge = judges.get(request.judge, `${groupLabel(request)}judge`);
  const task = parseGroup(request, judge);
  // More than that never waits at once.
  const room = judge.admit(judge.settings.groupConcurrency);
  const started = performance.now();
  const report = await tracedScore(task, judge, signal).finally(() => room[Symbol.dispose]());
  events.scored(report, performance.now() - started);
  const { scores, absences, comparisons, ...counts } = report;
  return {
    ...counts,
    scores: scores.map(({ score, strength, absent, ...rest }, index) => ({
      ...rest,
      id: request.samples[index]?.id ?? '',
      absent: absent ?? '',
      ...(score === undefined ? {} : { score }),
      ...(strength === undefined || score === undefined ? {} : { strength }),
    })),
    absences: Object.fromEntries(absences),
    comparisons: comparisons.map(comparisonToProto),
  };
}

/** The judge's own spans lie within; ids and texts of samples are not in it. */
async function tracedScore(task: GroupTask, judge: Judge, signal: AbortSignal): Promise<GroupReport> {
  const about = {
    'gradus.judge': judge.name,
    'gradus.method': task.method.kind,
    'gradus.group_size': task.texts.length,
  };
  return await withSpan('reward.score_group', about, async (span) => {
    const report = await scoreMembers(task, judge, signal);
    span.setAttributes({
      'gradus.comparisons.planned': report.planned,
      'gradus.comparisons.judged': report.judged,
      'gradus.comparisons.by_rule': report.byRule,
      'gradus.comparisons.missing': report.missing,
      'gradus.judgements': report.judgements,
      'gradus.judgements.cached': report.cached,
    });
    return report;
  });
}

function comparisonToProto({ first, second, outcome }: Comparison): MessageInitShape<typeof ComparisonSchema> {
  return outcome.kind === 'verdict'
    ? { first, second, verdict: outcome.verdict, replyId: outcome.replyId }
    : { first, second, absent: outcome.reason };
}
