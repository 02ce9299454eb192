import { readFile } from 'node:fs/promises';
import type { Score, ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { mapConcurrent } from '#platform/async/map-concurrent.ts';
import { TerminalError } from '#platform/errors.ts';
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
  readonly nats: Nats;
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
}

/** Answers that are judged at a time. */
const concurrency = 64;

/** The answers of a stage's samples that wait for a judge, or `all` of them, judged by what was recorded; nothing is played. */
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

  async function judge(sample: PlayedSample): Promise<readonly [PlayedSample, PlayedSample]> {
    const result = ports.results.get(sample.rollout)?.find(({ prediction }) => prediction === sample.prediction);
    const item = result && (await storedItem(result, ports));
    if (result === undefined || item === undefined) {
      notStored += 1;
      return [sample, sample];
    }
    const open = item.judged.filter(({ name }) => which === 'all' || sample.values[name] === undefined);
    const score = await ports.score({ ...item, judged: open, scorers: [], given: {} });
    const merged = mergedSample(
      sample,
      open.map(({ name }) => name),
      score,
    );
    if (names.every((name) => merged.values[name] !== undefined)) judgedCount += 1;
    ports.onJudged();
    const { reward: _before, ...components } = merged.values;
    const { detectors, modelTokens } = result;
    const reward = compose(composition, { components, detectors, modelTokens });
    return [sample, { ...merged, values: { ...components, ...(reward !== undefined && { reward }) } }];
  }

  const changed = new Map(await mapConcurrent(asked, concurrency, judge, ports.signal));
  return {
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
async function storedItem(
  result: RolloutResult,
  { nats, signal }: Pick<JudgingPorts, 'nats' | 'signal'>,
): Promise<ScoreItem | undefined> {
  try {
    return unpackScore(await readTrajectory(nats, result, signal))?.item;
  } catch (thrown) {
    if (thrown instanceof TerminalError && thrown.code === 'not_found') return undefined;
    throw thrown;
  }
}

/** A component that was asked for and not given is absent, whatever another judge said of it before (P2). */
function mergedSample(sample: PlayedSample, asked: readonly string[], score: Score): PlayedSample {
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
