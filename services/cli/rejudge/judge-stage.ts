import { readFile } from 'node:fs/promises';
import type { Score, ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { mapConcurrent } from '#platform/async/map-concurrent.ts';
import { TerminalError, errorFrom, type GradusError } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { evaluationComposition } from '#recipe/stage-scorers.ts';
import type { Recipe } from '#recipe/schema.ts';
import { compose } from '#rewards/compose.ts';
import { readTrajectory } from '#run/rollouts/results.ts';
import { parsePredictions } from '#stages/eval/prediction-lines.ts';
import type { ReportedRow } from '#stages/eval/report.ts';
import type { PlayedSample } from '#stages/kit/stage-context.ts';
import { unpackScore } from '#trajectory/recorded-score.ts';
import type { JudgedStage } from './find-evaluation.ts';

export interface JudgingPorts {
  /** The score of one item by the judges that were chosen. */
  readonly score: (item: ScoreItem) => Promise<Score>;
  /** What was recorded of a rollout for its judges; undefined where the stream keeps it no longer. */
  readonly stored: (result: RolloutResult) => Promise<ScoreItem | undefined>;
  /** Results of the run, by rollout. */
  readonly results: ReadonlyMap<string, readonly RolloutResult[]>;
  readonly signal: AbortSignal;
  onJudged(): void;
}

/** What became of the answers that were to be judged. */
export interface JudgedTally {
  readonly asked: number;
  readonly judged: number;
  /** The judge gave nothing, again or now. */
  readonly absent: number;
  /** Answers that were not asked about: their judgements are of before. */
  readonly kept: number;
  /** Not asked: what was played is no longer on the stream. */
  readonly notStored: number;
}

export interface JudgedRows {
  readonly rows: readonly ReportedRow[];
  readonly tally: JudgedTally;
  /** What ended the judging before its end; the rows are as far as it came. */
  readonly stopped?: GradusError;
}

type Answered = Pick<Score, 'components' | 'judgements' | 'absent' | 'absentDetails'>;

/** Answers that are judged at a time. */
const concurrency = 64;

/**
 * The answers of a stage's samples that wait for a judge, or `all` of them, judged by what was recorded; nothing is played. A score that fails is an
 * absence with its reason. What stops the judging is given with what was judged until then, so that no judgement that was paid for is lost.
 */
export async function judgeStage(
  recipe: Recipe,
  { stage, judged }: JudgedStage,
  { predictions, which }: { readonly predictions: string; readonly which: 'absent' | 'all' },
  ports: JudgingPorts,
): Promise<JudgedRows> {
  const rows = parsePredictions(await readFile(predictions, 'utf8'), predictions);
  const names = judged.map(({ name }) => name);
  const composition = evaluationComposition(recipe, stage);
  const isAsked = ({ absent, values }: PlayedSample): boolean =>
    absent === undefined && (which === 'all' || names.some((name) => values[name] === undefined));
  const asked = rows.flatMap(({ samples }) => samples.filter(isAsked));
  const kept = rows.flatMap(({ samples }) =>
    samples.filter((sample) => sample.absent === undefined && sample.prediction !== undefined && !isAsked(sample)),
  );
  let judgedCount = 0;
  let notStored = 0;

  async function judge(sample: PlayedSample): Promise<PlayedSample> {
    const result = ports.results.get(sample.rollout)?.find(({ prediction }) => prediction === sample.prediction);
    const item = result && (await ports.stored(result));
    if (result === undefined || item === undefined) {
      notStored += 1;
      return sample;
    }
    const open = item.judged.filter(({ name }) => which === 'all' || sample.values[name] === undefined);
    const merged = mergedSample(
      sample,
      open.map(({ name }) => name),
      await scoreOf({ ...item, judged: open, scorers: [], given: {} }, ports),
    );
    if (names.every((name) => merged.values[name] !== undefined)) judgedCount += 1;
    ports.onJudged();
    const { reward: _before, ...components } = merged.values;
    const { detectors, modelTokens } = result;
    const reward = compose(composition, { components, detectors, modelTokens });
    return { ...merged, values: { ...components, ...(reward !== undefined && { reward }) } };
  }

  const changed = new Map<PlayedSample, PlayedSample>();
  let stopped: GradusError | undefined;
  try {
    await mapConcurrent(asked, concurrency, async (one) => void changed.set(one, await judge(one)), ports.signal);
  } catch (thrown) {
    stopped = errorFrom(thrown);
    for (const one of asked) if (which === 'all' && !changed.has(one)) changed.set(one, unjudged(one, names, stopped));
  }
  return {
    ...(stopped && { stopped }),
    rows: rows.map((row) => ({ ...row, samples: row.samples.map((sample) => changed.get(sample) ?? sample) })),
    tally: {
      asked: asked.length,
      judged: judgedCount,
      kept: kept.length,
      absent: asked.length - judgedCount - notStored,
      notStored,
    },
  };
}

/** Undefined where the stream keeps it no longer. */
export async function storedItem(
  nats: Nats,
  result: RolloutResult,
  signal: AbortSignal,
): Promise<ScoreItem | undefined> {
  try {
    return unpackScore(await readTrajectory(nats, result, signal))?.item;
  } catch (thrown) {
    if (thrown instanceof TerminalError && thrown.code === 'not_found') return undefined;
    throw thrown;
  }
}

/** Of a score that fails each component is absent, with the reason. */
async function scoreOf(item: ScoreItem, { score, signal }: Pick<JudgingPorts, 'score' | 'signal'>): Promise<Answered> {
  try {
    return await score(item);
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    return failedScore(
      item.judged.map(({ name }) => name),
      errorFrom(thrown),
    );
  }
}

function failedScore(names: readonly string[], { code, message }: GradusError): Answered {
  const each = (value: string) => Object.fromEntries(names.map((name) => [name, value]));
  return { components: {}, judgements: {}, absent: each(code), absentDetails: each(message) };
}

/** Not come to: what another judge said of it before is no judgement of this one, and no reward has it. */
function unjudged(sample: PlayedSample, names: readonly string[], why: GradusError): PlayedSample {
  const { reward: _before, ...values } = sample.values;
  return mergedSample({ ...sample, values }, names, failedScore(names, why));
}

/** A component that was asked for and not given is absent, whatever another judge said of it before (P2). */
function mergedSample(sample: PlayedSample, asked: readonly string[], score: Answered): PlayedSample {
  const values: Record<string, number> = { ...sample.values };
  const grades: Record<string, string> = { ...sample.grades };
  const unscored: Record<string, { reason: string; detail: string }> = { ...sample.unscored };
  for (const name of asked) {
    const { [name]: value } = score.components;
    const grade = score.judgements[name]?.grade ?? '';
    delete values[name];
    delete grades[name];
    delete unscored[name];
    if (value === undefined)
      unscored[name] = { reason: score.absent[name] ?? 'unknown', detail: score.absentDetails[name] ?? '' };
    else values[name] = value;
    if (grade !== '') grades[name] = grade;
  }
  return { ...sample, values, grades, unscored };
}
