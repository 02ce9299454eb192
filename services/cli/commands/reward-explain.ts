import { resolve } from 'node:path';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { unpackScore } from '#trajectory/recorded-score.ts';
import { recordedComposition } from '#trajectory/recorded-task.ts';
import { exitCodes } from '../exit-codes.ts';
import { explanationJson } from '../explain/explanation-json.ts';
import { groupStory, type GroupStory } from '#run/group-story.ts';
import { renderComparison } from '../explain/render-comparison.ts';
import { renderExplanation, type ExplainedRollout, type ScoredRollout } from '../explain/render-explanation.ts';
import { ledgerEntries } from '#run/ledger/read-ledger.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { findResult, lastRollout, readTrajectory } from '#run/rollouts/results.ts';
import { withStreams } from '../transcript/with-streams.ts';
import { fromJson, toBinary } from '@bufbuild/protobuf';
import { z } from 'zod';
import {
  ExplainResponseSchema,
  ScoreItemSchema,
  type ExplainResponse,
  type ScoreItem,
} from '#proto/reward/v1/reward_pb.ts';
import { askProgram } from '../process/ask-program.ts';
import { shortId } from '../terminal/format.ts';

export interface RewardExplainOptions {
  readonly home: string;
  readonly run?: string;
  /** Another rollout of the group, by its id or the beginning. */
  readonly compare?: string;
  readonly json: boolean;
}

/** Reading the streams of a large home. */
const timeoutMs = 120_000;

/** How a rollout's reward came about, end to end. Works with and without a running fleet, and asks no judge. */
export async function rewardExplainCommand(
  id: string | undefined,
  options: RewardExplainOptions,
  terminal: Terminal,
): Promise<number> {
  if (id === undefined && options.run === undefined)
    throw new TerminalError('invalid_argument', 'give the id of a rollout, or --run RUN (its last rollout)');
  const signal = AbortSignal.timeout(timeoutMs);
  const records = await withStreams(
    resolve(options.home),
    { command: 'gradus reward explain', note: (line) => terminal.err(line) },
    signal,
    (nats) => readRecords(nats, id, options, signal),
  );
  const one = await explainRecord(records.one, signal);
  const other = records.other === undefined ? undefined : await explainRecord(records.other, signal);
  if (options.json) {
    terminal.out(explanationJson(one));
    if (other !== undefined) terminal.out(explanationJson(other));
  } else {
    const { colours } = terminal;
    terminal.out(other === undefined ? renderExplanation(one, colours) : renderComparison(one, other, colours));
  }
  return exitCodes.ok;
}

async function readRecords(
  nats: Nats,
  id: string | undefined,
  { run, compare }: RewardExplainOptions,
  signal: AbortSignal,
): Promise<{ readonly one: RolloutRecord; readonly other: RolloutRecord | undefined }> {
  const one = await readRecord(nats, id, run, signal);
  if (compare === undefined) return { one, other: undefined };
  const other = await readRecord(nats, compare, one.result.runId, signal);
  if (other.result.groupId === one.result.groupId) return { one, other };
  throw new TerminalError(
    'invalid_argument',
    `--compare ${compare}: ${shortId(other.result.taskId)} is of another group than ${shortId(one.result.taskId)}; advantages compare the samples of one`,
  );
}

async function explainRecord({ result, scored, group }: RolloutRecord, signal: AbortSignal): Promise<ExplainedRollout> {
  if (scored === undefined) return { result, scored, group };
  return { result, scored: { ...scored, explained: await explainScore(scored.recorded.item, signal) }, group };
}

interface RolloutRecord {
  readonly result: RolloutResult;
  /** Undefined for a rollout that the platform failed. */
  readonly scored: Omit<ScoredRollout, 'explained'> | undefined;
  readonly group: GroupStory | undefined;
}

async function readRecord(
  nats: Nats,
  id: string | undefined,
  run: string | undefined,
  signal: AbortSignal,
): Promise<RolloutRecord> {
  const result =
    id === undefined ? await lastRollout(nats, run ?? '', signal) : await findResult(nats, id, run, signal);
  const scored = result.trajectorySequence === 0n ? undefined : await readScore(nats, result);
  const entries = await ledgerEntries(nats, result.runId, signal).catch((thrown: unknown) => {
    const error = errorFrom(thrown);
    // A rollout that no coordinator asked for, as those of `gradus bench`: its own numbers are there all the same.
    if (error.code === 'not_found') return [];
    throw error;
  });
  return { result, scored, group: groupStory(entries, result) };
}

/** What a rollout was scored by, and how it is composed. */
export async function readScore(nats: Nats, result: RolloutResult): Promise<Omit<ScoredRollout, 'explained'>> {
  const trajectory = await readTrajectory(nats, result);
  const recorded = unpackScore(trajectory);
  if (recorded !== undefined) return { recorded, composition: recordedComposition(trajectory) };
  throw new TerminalError(
    'failed_precondition',
    `rollout ${shortId(result.taskId)} was recorded by a version that did not keep what it scored; 'gradus rollout show' has its components`,
  );
}

/** Starting a process and scoring one item takes well under a second. */
const scoreTimeoutMs = 60_000;

/** Why a recorded item has the numbers it has, by this version of the reward service's own code; needs no fleet. */
export async function explainScore(item: ScoreItem, signal: AbortSignal): Promise<ExplainResponse> {
  const answer = await askProgram({
    entry: 'services/reward/explain/main.ts',
    args: [],
    input: toBinary(ScoreItemSchema, item),
    answer: z.json(),
    timeoutMs: scoreTimeoutMs,
    failure: 'the rollout cannot be explained',
    signal,
  });
  return fromJson(ExplainResponseSchema, answer);
}
