import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ScoreRequest, ScoreResponseSchema, ScoreSchema } from '#proto/reward/v1/reward_pb.ts';
import { mapConcurrent } from '#platform/async/map-concurrent.ts';
import { TerminalError } from '#platform/errors.ts';
import { scorerNames } from '#rewards/scorer-catalogue.ts';
import { admitAll } from '../admit-all.ts';
import { checkItem } from '../check-item.ts';
import type { CustomScorers } from '../custom/custom-scorers.ts';
import { checkCustomSettings, customBatches, scoreCustom, type CustomScores } from '../custom/score-custom.ts';
import type { RewardEvents } from '../events.ts';
import { checkJudged } from '../judge/check-judged.ts';
import { judgeItems, judgementToProto, questionsOf, type JudgedScores } from '../judge/judge-items.ts';
import type { Judges } from '../judge/judges.ts';
import { scoreItem, type ItemScore } from '../score-item.ts';

export const maxItems = 1024;
const longestTrace = 2048;
const longestDetail = 500;

type ScoreInit = MessageInitShape<typeof ScoreSchema>;

export interface ScoreContext {
  readonly events: RewardEvents;
  readonly judges: Judges;
  readonly custom: CustomScorers;
}

/**
 * One score per item, in the order asked; nothing is scored unless every item is sound. Judges and custom scorers are asked side by
 * side; when `signal` aborts, what waits for them is dropped.
 */
export async function score(
  { events, judges, custom }: ScoreContext,
  { items }: ScoreRequest,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof ScoreResponseSchema>> {
  if (items.length === 0 || items.length > maxItems) {
    throw new TerminalError('invalid_argument', `items: found ${items.length}; give 1 to ${maxItems} of them`);
  }
  const takenNames = new Set([...scorerNames, ...custom.keys()]);
  items.forEach((item, index) => {
    checkItem(item, index, custom);
    checkJudged(item, index, judges, takenNames);
  });
  const batches = customBatches(items, custom);
  using tickets = admitAll([
    ...questionsOf(items, judges),
    ...[...batches].map(([scorer, batch]) => [scorer, batch.length] as const),
  ]);
  await checkCustomSettings(batches, signal);
  const started = performance.now();
  const ruled = items.map(scoreItem);
  let judged: readonly JudgedScores[] = [];
  let given: readonly CustomScores[] = [];
  // Both have ended when one of them fails: no call outlives the request.
  await mapConcurrent(
    [
      async () => (judged = await judgeItems(items, judges, tickets.done, signal)),
      async () => (given = await scoreCustom(items.length, batches, tickets.done, signal)),
    ],
    2,
    async (ask) => await ask(),
  );
  events.scored(ruled, performance.now() - started);
  return {
    scores: ruled.map((base, index) => withAsked(base, judged[index], given[index])),
  };
}

/** Adds what judges and custom scorers gave; what they did not give is absent. */
function withAsked(base: ItemScore, judged: JudgedScores = new Map(), custom: CustomScores = new Map()): ScoreInit {
  if (judged.size + custom.size === 0) return base;
  const components: Record<string, number> = { ...base.components };
  const absent: Record<string, string> = {};
  const absentDetails: Record<string, string> = {};
  const threw: Record<string, string> = {};
  const judgements: NonNullable<ScoreInit['judgements']> = {};
  for (const [name, outcome] of [...judged, ...custom]) {
    if (outcome.kind === 'absent') {
      absent[name] = outcome.reason;
      absentDetails[name] = outcome.detail.slice(0, longestDetail).toWellFormed();
      if (outcome.reason === 'threw') threw[name] = outcome.detail.slice(0, longestTrace);
    } else components[name] = outcome.value;
  }
  for (const [name, outcome] of judged) {
    if (outcome.kind === 'value') judgements[name] = judgementToProto(outcome);
  }
  return { ...base, components, absent, judgements, threw, absentDetails };
}
