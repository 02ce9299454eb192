import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ScoreItem, ScoreRequest, ScoreResponseSchema, ScoreSchema } from '#proto/reward/v1/reward_pb.ts';
import { mapConcurrent } from '#shared/async/map-concurrent.ts';
import { TerminalError } from '#shared/errors.ts';
import { scorerNames } from '#shared/rewards/scorer-catalogue.ts';
import { checkComposition } from '../check-composition.ts';
import { checkItem } from '../check-item.ts';
import type { RewardEvents } from '../events.ts';
import type { AdmissionTicket } from '../judge/admission.ts';
import { checkJudged } from '../judge/check-judged.ts';
import { judgeComponent } from '../judge/judge-item.ts';
import type { Judge } from '../judge/judge.ts';
import type { Judges } from '../judge/judges.ts';
import { scoreItem, totalOf, type ItemScore } from '../score-item.ts';

export const maxItems = 1024;

const takenNames: ReadonlySet<string> = new Set(scorerNames);

type ScoreInit = MessageInitShape<typeof ScoreSchema>;

/** One score per item, in the order asked; nothing is scored unless every item is sound. */
export async function score(
  { events, judges }: { readonly events: RewardEvents; readonly judges: Judges },
  { items }: ScoreRequest,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof ScoreResponseSchema>> {
  if (items.length === 0 || items.length > maxItems) {
    throw new TerminalError('invalid_argument', `items: found ${items.length}; give 1 to ${maxItems} of them`);
  }
  items.forEach((item, index) => {
    checkItem(item, index);
    checkJudged(item, index, judges, takenNames);
    checkComposition(item, index);
  });
  const started = performance.now();
  const ruled = items.map(scoreItem);
  const scores = await judgeAll(items, ruled, judges, signal);
  events.scored(ruled, performance.now() - started);
  return { scores };
}

/** Adds what judges say. Their slots bound the calls, so all items may wait at once. */
async function judgeAll(
  items: readonly ScoreItem[],
  ruled: readonly ItemScore[],
  judges: Judges,
  signal: AbortSignal,
): Promise<ScoreInit[]> {
  if (items.every(({ judged }) => judged.length === 0)) return [...ruled];
  using tickets = admitAll(items, judges);
  return await mapConcurrent(
    items.map((item, index) => ({ item, base: ruled[index] })),
    items.length,
    async ({ item, base }) => {
      if (base === undefined) throw new TypeError('every item has been scored by rule');
      return await judgeOne(item, base, judges, tickets, signal);
    },
    signal,
  );
}

async function judgeOne(
  item: ScoreItem,
  base: ItemScore,
  judges: Judges,
  tickets: Tickets,
  signal: AbortSignal,
): Promise<ScoreInit> {
  const components: Record<string, number> = { ...base.components };
  const absent: Record<string, string> = {};
  const judgements: NonNullable<ScoreInit['judgements']> = {};
  const outcomes = await mapConcurrent(item.judged, item.judged.length || 1, async (component) => {
    const judge = judges.get(component.judge, 'judge');
    const outcome = await judgeComponent(item, component, judge, signal);
    tickets.done(judge);
    return { component, outcome };
  });
  for (const { component, outcome } of outcomes) {
    const { name } = component;
    if (outcome.kind === 'absent') {
      absent[name] = outcome.reason;
      continue;
    }
    const { value, kind: _, ...judgement } = outcome;
    components[name] = value;
    judgements[name] = judgement;
  }
  const { detectors } = base;
  return { id: item.id, total: totalOf(item, { components, detectors }), components, absent, judgements, detectors };
}

interface Tickets extends Disposable {
  done(judge: Judge): void;
}

/** Room with every judge for all of the call's questions, or none of it. */
function admitAll(items: readonly ScoreItem[], judges: Judges): Tickets {
  const questions = new Map<Judge, number>();
  for (const { judged } of items) {
    for (const component of judged) {
      const judge = judges.get(component.judge, 'judge');
      questions.set(judge, (questions.get(judge) ?? 0) + 1);
    }
  }
  const tickets = new Map<Judge, AdmissionTicket>();
  const dispose = (): void => {
    for (const ticket of tickets.values()) ticket[Symbol.dispose]();
  };
  try {
    for (const [judge, count] of questions) tickets.set(judge, judge.admit(count));
  } catch (error) {
    dispose();
    throw error;
  }
  return { done: (judge) => tickets.get(judge)?.done(), [Symbol.dispose]: dispose };
}
