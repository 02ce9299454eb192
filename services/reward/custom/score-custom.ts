import type { ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import { mapConcurrent } from '#platform/async/map-concurrent.ts';
import { withSpan } from '#platform/telemetry/tracing.ts';
import { invalidItem } from '../check-item.ts';
import type { CustomAbsence } from './custom-absence.ts';
import type { CustomScorer, CustomValue } from './custom-scorer.ts';
import type { CustomScorers } from './custom-scorers.ts';

/** The custom components of one item, by name. */
export type CustomScores = ReadonlyMap<string, CustomValue | CustomAbsence>;

interface Asked {
  readonly index: number;
  readonly at: number;
  readonly item: ScoreItem;
  readonly settingsJson: string;
}

/** What the items ask of each custom scorer. */
export function customBatches(items: readonly ScoreItem[], scorers: CustomScorers): Map<CustomScorer, Asked[]> {
  const batches = new Map<CustomScorer, Asked[]>();
  if (scorers.size === 0) return batches;
  items.forEach((item, index) => {
    item.scorers.forEach(({ name, settingsJson }, at) => {
      const scorer = scorers.get(name);
      if (scorer === undefined) return;
      const batch = batches.get(scorer) ?? [];
      batch.push({ index, at, item, settingsJson });
      batches.set(scorer, batch);
    });
  });
  return batches;
}

/** Throws INVALID_ARGUMENT naming item, scorer and setting; asks each scorer about each of its settings once. */
export async function checkCustomSettings(
  batches: ReadonlyMap<CustomScorer, readonly Asked[]>,
  signal: AbortSignal,
): Promise<void> {
  for (const [scorer, batch] of batches) {
    const different = new Map(batch.map((asked) => [asked.settingsJson, asked]));
    for (const { index, at, item, settingsJson } of different.values()) {
      const problem = await scorer.settingsProblem(settingsJson, signal);
      if (problem === undefined) continue;
      throw invalidItem(item, index, `scorers[${at}].settings_json: settings of ${scorer.name}: ${problem}`);
    }
  }
}

/** One map per item, in their order. The scorers' own queues bound what runs at once. `onDone` hears of each rollout. */
export async function scoreCustom(
  count: number,
  batches: ReadonlyMap<CustomScorer, readonly Asked[]>,
  onDone: (scorer: CustomScorer) => void,
  signal: AbortSignal,
): Promise<CustomScores[]> {
  const scores = Array.from({ length: count }, () => new Map<string, CustomValue | CustomAbsence>());
  await mapConcurrent(batches, batches.size || 1, async ([scorer, batch]) =>
    withSpan('reward.custom', { 'gradus.scorer': scorer.name, 'gradus.items': batch.length }, async (span) => {
      let absent = 0;
      await mapConcurrent(
        batch,
        batch.length,
        async ({ index, item, settingsJson }) => {
          const outcome = await scorer.score(item, settingsJson, signal);
          onDone(scorer);
          if (outcome.kind === 'absent') absent += 1;
          scores[index]?.set(scorer.name, outcome);
        },
        signal,
      );
      span.setAttribute('gradus.absent', absent);
    }),
  );
  return scores;
}
