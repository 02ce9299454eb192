/**
 * What a rollout takes in the streams of NATS, by its length: a trajectory as a worker stores it, its result, and its share of the ledger. JSON on
 * stdout; the machine does not matter.
 *
 *   npx node bench/stored-bytes.ts
 *
 * The tokens are words of data/musique, each with an id of its own below 151,936 (the vocabulary of Qwen3), so ids repeat as words do. Model
 * and environment write half of them each, in turns of 256; log-probabilities are drawn, and hardly compress, as real ones.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { GroupClosedSchema, GroupFate, GroupOpenedSchema, StepFormedSchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { FinishReason, LogprobKind, SegmentKind, TrajectorySchema } from '#proto/trajectory/v1/trajectory_pb.ts';
import { encodeTrajectory } from '#trajectory/encode-trajectory.ts';

const vocabulary = 151_936;
const turnTokens = 256;
const groupSize = 8;
const lengths = [512, 2_048, 8_192, 40_960];

const words = readFileSync(join(import.meta.dirname, '../data/musique/corpus.jsonl'), 'utf8').split(/\s+/);
const idOf = (word: string): number => createHash('sha256').update(word).digest().readUInt32LE() % vocabulary;
const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Log-probabilities of a policy that is mostly certain: exponential with a mean of 0.5 nats, as float32. */
const logprob = (): number => Math.fround(0.5 * Math.log(1 - Math.random()));

async function trajectoryBytes(tokens: number): Promise<number> {
  const segments = Array.from({ length: tokens / turnTokens }, (_, turn) => {
    const own = words.slice(turn * turnTokens, (turn + 1) * turnTokens);
    const part = { text: own.join(' '), tokenIds: own.map(idOf) };
    if (turn === 0) return { kind: SegmentKind.PROMPT, ...part };
    if (turn % 2 === 0) return { kind: SegmentKind.ENVIRONMENT, ...part };
    return {
      kind: SegmentKind.MODEL,
      ...part,
      logprobs: own.map(logprob),
      logprobKind: LogprobKind.TEMPERED,
      finishReason: FinishReason.STOP,
      versions: { first: 41n, last: 41n },
      sampling: { temperature: 1, topP: 1, maxNewTokens: 2_048, seed: 11n },
    };
  });
  const whole = { runId: 'jan-nano', taskId: digest('task'), segments, tokenizerHash: digest('tokenizer') };
  return (await encodeTrajectory(create(TrajectorySchema, whole))).length;
}

const resultBytes = toBinary(
  RolloutResultSchema,
  create(RolloutResultSchema, {
    runId: 'jan-nano',
    taskId: digest('task'),
    groupId: digest('group'),
    sampleIndex: 7,
    stage: 'tool-use',
    purpose: Purpose.TRAIN,
    components: { exact_match: 1, tool_success: 0.75, format: 1, xml: 1 },
    prediction: 'Verland Coast',
    turns: 5,
    toolCalls: 4,
    toolFailures: 1,
    promptTokens: 256,
    modelTokens: 2_048,
    environmentTokens: 2_048,
    versions: { first: 41n, last: 41n },
    trajectorySequence: 1_234_567n,
    durationMs: 61_234,
    workerId: 'gradus-rollout-7d9c5b8f4-x2x9k',
    generateMs: 51_234,
  }),
).length;

/** Of a group that is kept: opened, closed, and its samples in the batch of a step. */
function groupBytes(): number {
  const taskIds = Array.from({ length: groupSize }, (_, sample) => digest(`task ${sample}`));
  const samples = taskIds.map((taskId, sample) => ({
    taskId,
    reward: sample / 3,
    advantage: (sample - 4) / 3,
    trajectorySequence: 1_234_567n,
  }));
  const groupId = digest('group');
  const stage = 'tool-use';
  const opened = { groupId, stage, step: 12, purpose: Purpose.TRAIN, questionId: '3hop1__12345_67890_1234', taskIds };
  return (
    toBinary(GroupOpenedSchema, create(GroupOpenedSchema, opened)).length +
    toBinary(GroupClosedSchema, create(GroupClosedSchema, { groupId, fate: GroupFate.KEPT, samples })).length +
    toBinary(StepFormedSchema, create(StepFormedSchema, { samples })).length
  );
}

const ledgerBytesPerRollout = Math.round(groupBytes() / groupSize);
const rows = [];
for (const tokens of lengths) {
  const bytes = await trajectoryBytes(tokens);
  rows.push({ tokens, trajectoryBytes: bytes, bytesPerToken: Number((bytes / tokens).toFixed(2)) });
}
process.stdout.write(`${JSON.stringify({ trajectories: rows, resultBytes, ledgerBytesPerRollout }, undefined, 2)}\n`);
