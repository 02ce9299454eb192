import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ExplainResponseSchema, ExplanationSchema, ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import type { RewardWeight } from '#proto/rollout/v1/task_pb.ts';
import { composeTotal } from '#shared/rewards/compose.ts';
import { detectorNames } from '#shared/rewards/detector-names.ts';
import { describeStep } from '#shared/rewards/describe-step.ts';
import { coreScorers, isSettableScorer, type SettableScorer } from '#shared/rewards/scorer-catalogue.ts';
import { episodeOf } from '../score-item.ts';
import { compileScorer } from '../scorers/compile-scorer.ts';
import type { Episode } from '../scorers/scorer.ts';
import { explainCustom, explainJudged, isCustom } from './asked.ts';
import type { Explained } from './explained.ts';
import { coreExplainers, detectorExplainers, settableExplainers } from './explainers.ts';

type ExplanationInit = MessageInitShape<typeof ExplanationSchema> & { readonly name: string };

const mostReasons = 64;

/** How the numbers of a checked item come about. Asks nobody: what judges and custom scorers gave has no value here. Pure. */
export function explainItem(item: ScoreItem): MessageInitShape<typeof ExplainResponseSchema> {
  const episode = episodeOf(item);
  const components = explainComponents(item, episode);
  const detectors = detectorNames.map((name) => explained(name, 0, detectorExplainers[name](episode)));
  const values = new Map([...components, ...detectors].map(({ name, value }) => [name, value]));
  const steps: ExplanationInit[] = [];
  const total = composeTotal(
    [...item.rewards, ...item.judged],
    item.composition,
    (name) => values.get(name),
    (step) => steps.push({ ...describeStep(step), ...valueOf(step.after) }),
  );
  return { components, detectors, steps, ...(!Number.isNaN(total) && { total }) };
}

function explainComponents(item: ScoreItem, episode: Episode): ExplanationInit[] {
  const weights = new Map(item.rewards.map(({ name, weight }) => [name, weight]));
  return [
    ...coreScorers.map((name) => explained(name, weights.get(name) ?? 0, coreExplainers[name](episode))),
    ...item.rewards.flatMap((reward) => explainReward(reward, episode)),
    ...item.judged.map((judged) => ({ name: judged.name, weight: judged.weight, reasons: explainJudged(judged) })),
  ];
}

function explainReward({ name, weight, settingsJson }: RewardWeight, episode: Episode): ExplanationInit[] {
  if (isSettableScorer(name)) return [explained(name, weight, explainSettable(name, settingsJson, episode))];
  return isCustom(name) ? [{ name, weight, reasons: explainCustom(settingsJson) }] : [];
}

function explainSettable(name: SettableScorer, settingsJson: string, episode: Episode): Explained {
  const { settings } = compileScorer(name, settingsJson);
  // The table pairs each name with the function that takes what its schema gives; the compiler cannot follow the pair.
  const explain = settableExplainers[name] as (of: Episode, by: typeof settings) => Explained;
  return explain(episode, settings);
}

function explained(name: string, weight: number, { value, reasons }: Explained): ExplanationInit {
  const more = reasons.length > mostReasons ? [`and ${reasons.length - mostReasons} more lines`] : [];
  return { name, weight, value, reasons: [...reasons.slice(0, mostReasons), ...more] };
}

function valueOf(value: number): { readonly value?: number } {
  return Number.isNaN(value) ? {} : { value };
}
