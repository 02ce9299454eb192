/** A run whose groups are compared: a coordinator, a real reward service, and a judge whose order of quality is known. */
import { expect } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import type { GroupClosed } from '#proto/coordinator/v1/ledger_pb.ts';
import { rewardConfig } from '../../services/reward/config.ts';
import { startReward } from '../../services/reward/service.ts';
import { shownTexts, startScriptedJudge } from '../fakes/scripted-judge.ts';
import type { ScriptedJudgeOptions } from '../fakes/scripted-judge.ts';
import { startCoordinatorFleet } from './fleet.ts';
import type { CoordinatorFleetOptions } from './fleet.ts';
import type { Worker } from './played-worker.ts';
import { startInProcess } from '../rollout/fleet.ts';
import { lastingAddress } from '../fixtures/lasting-port.ts';

export interface GroupwiseRecipe {
  readonly scorer?: string;
  readonly rewards?: string;
  readonly steps?: number;
  readonly staleness?: number;
  readonly groups?: string;
  readonly deadlines?: string;
  readonly more?: string;
}

/** Steps of three groups of four whose reward is `preferred` alone, unless it says otherwise. */
const groupwiseRecipe = (options: GroupwiseRecipe = {}) => `
name: test
seed: 3
model: { path: model }
data: { files: { train: train.jsonl, held_out: held-out.jsonl, corpus: corpus.jsonl } }
eval: { questions: 3, sampled: false }
checkpoints: { every_steps: 2 }
fleet: { max_open_rollouts: 36 }
scorers:
  preferred: ${options.scorer ?? '{ kind: pairwise, judge: main }'}
environment: { name: search }
stages:
  - name: one
    limits: { context_tokens: 288, max_new_tokens: 48, tool_timeout_ms: 100, turn_timeout_ms: 200, rollout_timeout_ms: 1000 }
    deadlines: ${options.deadlines ?? '{ group_ms: 20000, step_ms: 40000 }'}
    rewards: ${options.rewards ?? '{ preferred: 1 }'}
    batch: { groups: 3, group_size: 4, max_generation_batches: 4 }
    groups: ${options.groups ?? '{ on_deadline: retry }'}
    max_staleness: ${options.staleness ?? 0}
    until: { steps: ${options.steps ?? 2} }
${options.more ?? ''}`;

/** How good a task's answer is: distinct, and by the task's id alone. */
export function qualityOf(taskId: string): number {
  return Number.parseInt(taskId.slice(0, 8), 16) / 0xffff_ffff;
}

/** Answers that carry their quality. */
export const answering: Worker = (task) => ({
  result: { reward: 0, prediction: `quality=${qualityOf(task.taskId)}` },
});

export interface GroupwiseFleetOptions {
  readonly recipe?: GroupwiseRecipe;
  readonly judge?: ScriptedJudgeOptions;
  /** Settings of the judge in the reward service. */
  readonly settings?: object;
  readonly worker?: Worker;
  readonly config?: CoordinatorFleetOptions['config'];
}

export async function startGroupwiseFleet(options: GroupwiseFleetOptions = {}) {
  const judge = await startScriptedJudge(options.judge);
  const settings = { model: 'scripted', retryBaseMs: 1, retryMaxMs: 4, circuitOpenMs: 100, ...options.settings };
  const judges = { main: { ...settings, baseUrl: judge.baseUrl } };
  const startService = (grpc: string) => startInProcess(startReward, rewardConfig, { judges, grpc, drainMs: 200 });
  let reward = await startService(await lastingAddress());
  const fleet = await startCoordinatorFleet({
    recipe: groupwiseRecipe(options.recipe),
    worker: options.worker ?? answering,
    config: { reward: reward.address, maxOutageMs: 20_000, ...options.config },
  });
  return {
    ...fleet,
    judge,
    rewardAddress: reward.address,
    async stopReward() {
      await reward.stop();
    },
    /** At its old address. */
    async restartReward() {
      reward = await startService(reward.address);
    },
    /** Groups of training as the ledger closed them, in its order. */
    async closed(runId = 'run-a'): Promise<GroupClosed[]> {
      const training = new Set<string>();
      const closed: GroupClosed[] = [];
      for (const { fact } of await fleet.ledger(runId)) {
        if (fact.case === 'groupOpened' && fact.value.purpose === Purpose.TRAIN) training.add(fact.value.groupId);
        if (fact.case === 'groupClosed' && training.has(fact.value.groupId)) closed.push(fact.value);
      }
      return closed;
    },
    async stop() {
      await fleet.stop();
      await reward.stop();
      await judge[Symbol.asyncDispose]();
    },
  };
}

export type GroupwiseFleet = Awaited<ReturnType<typeof startGroupwiseFleet>>;

export const messageOf = async (fleet: GroupwiseFleet) =>
  (await fleet.coordinator.client.getRun({ runId: 'run-a' })).message;

/** The last status of a run that ended well. */
export const finished = { state: RunState.FINISHED, message: '' };

/** No group is closed twice, and every rollout is accounted for. */
export async function expectWhole(fleet: GroupwiseFleet, groups: number): Promise<void> {
  const closed = await fleet.closed();
  expect(new Set(closed.map(({ groupId }) => groupId)).size).toBe(closed.length);
  expect(closed).toHaveLength(groups);
  const { rollouts } = await fleet.summary('run-a');
  expect(rollouts).toMatchObject({ lost: 0, duplicated: 0, open: 0, failedInfra: 0 });
}

type JudgeRequest = Parameters<NonNullable<ScriptedJudgeOptions['script']>>[0];

/** The question that a judge is asked about. */
export const questionOf = (request: JudgeRequest) =>
  shownTexts(request).find(({ name }) => name === 'QUESTION')?.text ?? '';

/** A promise with its resolver, to hold something back. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}
