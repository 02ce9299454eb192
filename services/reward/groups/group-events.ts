import { durationBuckets, type Metrics } from '#platform/telemetry/metrics.ts';
import type { GroupReport } from './score-members.ts';

/** What happens to groups, counted in one place. */
export interface GroupEvents {
  scored(report: GroupReport, elapsedMs: number): void;
}

const shareBuckets: readonly number[] = [0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1];
const biasBuckets: readonly number[] = [-1, -0.5, -0.2, -0.1, -0.05, 0, 0.05, 0.1, 0.2, 0.5, 1];

export function createGroupEvents(metrics: Metrics): GroupEvents {
  const pairs = metrics.counter('gradus_group_comparisons_total', 'Pairs or passes of groups: judged, rule, missing.', [
    'outcome',
  ]);
  const scores = metrics.counter('gradus_group_scores_total', 'Samples of groups: scored or absent.', ['outcome']);
  const seconds = metrics.histogram('gradus_group_score_seconds', 'Time to score one group.', durationBuckets);
  const bias = metrics.histogram(
    'gradus_group_position_bias_ratio',
    'Of a group: how much more often what was shown first won, -1..1.',
    biasBuckets,
  );
  const contradictions = metrics.histogram(
    'gradus_group_inconsistency_ratio',
    'Of a group: pairs whose orders or passes contradict each other, 0..1.',
    shareBuckets,
  );
  return {
    scored(report, elapsedMs) {
      pairs.inc({ outcome: 'judged' }, report.judged);
      pairs.inc({ outcome: 'rule' }, report.byRule);
      pairs.inc({ outcome: 'missing' }, report.missing);
      for (const { score } of report.scores) scores.inc({ outcome: score === undefined ? 'absent' : 'scored' });
      seconds.observe(elapsedMs / 1000);
      if (report.judged === 0) return;
      bias.observe(report.positionBias);
      contradictions.observe(report.inconsistency);
    },
  };
}
