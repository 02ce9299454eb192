import { durationBuckets, type Metrics } from '#platform/telemetry/metrics.ts';
import { componentHistogram } from './custom/custom-events.ts';
import type { ItemScore } from './score-item.ts';

/** What happens in this service, counted in one place. */
export interface RewardEvents {
  scored(scores: readonly ItemScore[], elapsedMs: number): void;
}

export function createRewardEvents(metrics: Metrics): RewardEvents {
  const items = metrics.counter('gradus_reward_items_total', 'Rollouts scored.');
  const seconds = metrics.histogram(
    'gradus_reward_score_seconds',
    'Time of one Score call, all of its items.',
    durationBuckets,
  );
  const components = componentHistogram(metrics);
  const detections = metrics.counter(
    'gradus_reward_detections_total',
    'Rollouts in which a detector of reward hacking fired.',
    ['detector'],
  );
  return {
    scored(scores, elapsedMs) {
      items.inc(scores.length);
      seconds.observe(elapsedMs / 1000);
      for (const score of scores) {
        for (const [scorer, value] of Object.entries(score.components)) components.observe({ scorer }, value);
        for (const detector of Object.keys(score.detectors)) detections.inc({ detector });
      }
    },
  };
}
