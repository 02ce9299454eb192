import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ExplainResponseSchema, ExplanationSchema, ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import type { ScorerSettings } from '#proto/rollout/v1/task_pb.ts';
import { detectorNames } from '#rewards/detector-names.ts';
import { isPlainScorer, isSettableScorer, type SettableScorer } from '#rewards/scorer-catalogue.ts';
import { episodeOf } from '../score-item.ts';
import { compileScorer } from '../scorers/compile-scorer.ts';
import type { Episode } from '../scorers/scorer.ts';
import { explainCustom, explainJudged, isCustom } from './asked.ts';
import type { Explained } from './explained.ts';
import { plainExplainers, detectorExplainers, settableExplainers } from './explainers.ts';

type ExplanationInit = MessageInitShape<typeof ExplanationSchema> & { readonly name: string };

const mostReasons = 64;

/** How the numbers of a checked item come about. Asks nobody: what judges and custom scorers gave has no value here. Pure. */
export function explainItem(item: ScoreItem): MessageInitShape<typeof ExplainResponseSchema> {
  const episode = episodeOf(item);
  return {
    components: explainComponents(item, episode),
    detectors: detectorNames.map((name) => explained(name, detectorExplainers[name](episode))),
  };
}

function explainComponents(item: ScoreItem, episode: Episode): ExplanationInit[] {
  return [
    ...item.scorers.flatMap((scorer) => explainScorer(scorer, episode)),
    ...item.judged.map((judged) => ({ name: judged.name, reasons: explainJudged(judged) })),
  ];
}

function explainScorer({ name, settingsJson }: ScorerSettings, episode: Episode): ExplanationInit[] {
  if (isPlainScorer(name)) return [explained(name, plainExplainers[name](episode))];
  if (isSettableScorer(name)) return [explained(name, explainSettable(name, settingsJson, episode))];
  return isCustom(name) ? [{ name, reasons: explainCustom(settingsJson) }] : [];
}

function explainSettable(name: SettableScorer, settingsJson: string, episode: Episode): Explained {
  const { settings } = compileScorer(name, settingsJson);
  // The table pairs each name with the function that takes what its schema gives; the compiler cannot follow the pair.
  const explain = settableExplainers[name] as (of: Episode, by: typeof settings) => Explained;
  return explain(episode, settings);
}

function explained(name: string, { value, reasons }: Explained): ExplanationInit {
  const more = reasons.length > mostReasons ? [`and ${reasons.length - mostReasons} more lines`] : [];
  return { name, value, reasons: [...reasons.slice(0, mostReasons), ...more] };
}
