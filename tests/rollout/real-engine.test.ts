import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { EngineService } from '#proto/policy/v1/engine_service_pb.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { cancelTasks } from '#platform/nats/cancel.ts';
import { SegmentKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { checkTrajectory } from '#trajectory/check-trajectory.ts';
import { compareTrajectories } from '#trajectory/compare-trajectories.ts';
import { playAgain } from '../../services/cli/replay/play-again.ts';
import { agentFolder, agentTask } from '../agents/agents.ts';
import { startRolloutFleet, tokenizerPath, type RolloutFleet } from './fleet.ts';
import { runId, taskOf } from './task.ts';

const root = join(import.meta.dirname, '../..');
const python = join(root, '.venv/bin/python');
const env = {
  ...process.env,
  PYTHONPATH: `${join(root, 'services/learner')}:${join(root, 'proto/gen/python')}`,
  OMP_NUM_THREADS: '1',
};

/** A policy that has learnt nothing writes anything: all the more ways to disagree about a token. */
const makePolicy = `
import json, pathlib, shutil, sys, torch
from gradus_learner.models.load import save_weights
from gradus_learner.models.registry import read_model
directory, tokenizer = pathlib.Path(sys.argv[1]), sys.argv[2]
directory.mkdir(parents=True)
vocabulary = max(t["id"] for t in json.load(open(tokenizer))["added_tokens"]) + 1
end = next(t["id"] for t in json.load(open(tokenizer))["added_tokens"] if t["content"] == "<|end|>")
config = dict(model_type="qwen3", architectures=["Qwen3ForCausalLM"], hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
  num_key_value_heads=1, head_dim=16, intermediate_size=64, rms_norm_eps=1e-6, rope_theta=10000.0, vocab_size=vocabulary,
  tie_word_embeddings=True, max_position_embeddings=1024, eos_token_id=end)
(directory / "config.json").write_text(json.dumps(config))
shutil.copy(tokenizer, directory / "tokenizer.json")
torch.manual_seed(3)
save_weights(read_model(directory).build(), directory)
`;

describe.runIf(existsSync(python))('rollouts with the built-in engine', () => {
  let directory = '';
  let fleet: RolloutFleet;
  let engine: ReturnType<typeof spawn>;
  let engineAddress = '';
  let engineMetrics = async (): Promise<string> => '';

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gradus-engine-'));
    const model = join(directory, 'model');
    execFileSync(python, ['-c', makePolicy, model, tokenizerPath], { env });
    engine = spawn(
      python,
      ['-m', 'gradus_learner.engine', '--model', model, '--grpc', '127.0.0.1:0', '--threads', '1'],
      {
        env,
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    const lines = engine.stdout === null ? [] : createInterface({ input: engine.stdout });
    for await (const line of lines) {
      const { grpc, metrics } = z.object({ grpc: z.string(), metrics: z.string() }).parse(JSON.parse(line));
      engineAddress = grpc;
      engineMetrics = async () => await (await fetch(`http://${metrics}/metrics`)).text();
      break;
    }
    fleet = await startRolloutFleet({
      script: () => '',
      engine: { address: engineAddress, tokenizer: join(model, 'tokenizer.json') },
    });
  });

  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
    engine.kill('SIGTERM');
    await once(engine, 'exit');
    await rm(directory, { recursive: true, force: true });
  });

  it('P4: the concatenated segments are the sequence that the engine saw, on every turn of every rollout', async () => {
    const ids = Array.from({ length: 24 }, (_, i) => `random-${i}`);
    await Promise.all(
      ids.map((id, i) =>
        fleet.publish(taskOf(id, { sampling: { temperature: 1, maxNewTokens: 24, seed: BigInt(i) + (1n << 63n) } })),
      ),
    );
    for (const id of ids) {
      const result = await fleet.resultOf(id);
      expect(result.failureDetail).toBe('');
      expect(result.reward).toBeGreaterThanOrEqual(0);
      const trajectory = await fleet.trajectoryOf(result);
      expect(trajectory.runId).toBe(runId);
      checkTrajectory(trajectory);
    }
    expect(await fleet.workers[0]?.metrics.render()).toMatch(/gradus_token_mismatches_total 0/);
  });

  it('P3: a cancelled rollout stops on the engine itself: nothing runs there any more, and nothing is published', async () => {
    const client = createGrpcClient(EngineService, engineAddress, { timeoutMs: 60_000 });
    const load = async () => {
      const { running, waiting } = await client.describe({});
      return running + waiting;
    };
    const ids = Array.from({ length: 48 }, (_, i) => `unwanted-${i}`);
    const limits = {
      contextTokens: 1000,
      maxTurns: 6,
      toolTimeoutMs: 1000,
      turnTimeoutMs: 50_000,
      rolloutTimeoutMs: 60_000,
    };
    const before = fleet.results.length;
    await Promise.all(
      ids.map((id, i) =>
        fleet.publish(taskOf(id, { limits, sampling: { temperature: 1, maxNewTokens: 900, seed: BigInt(i) } })),
      ),
    );
    await expect.poll(load).toBeGreaterThan(10);
    await cancelTasks(
      fleet.nats,
      runId,
      ids.map((taskId) => ({ taskId })),
      'the batch is full',
    );
    await expect.poll(load).toBe(0);
    await expect.poll(() => fleet.workers[0]?.metrics.render()).toMatch(/gradus_rollout_running_tasks 0/);
    expect(fleet.results.length - before).toBeLessThan(ids.length);
    await expect.poll(() => fleet.tasksLeft()).toBe(0);
    client.close();
  });

  it('P4: a turn that the client of an agent leaves stops on the engine itself, and is no part of the rollout', async () => {
    // Long turns; a starved machine may begin one after its client has left, so that the client is more patient each time.
    const agent = `import OpenAI from 'openai';
const client = new OpenAI({ maxRetries: 0 });
for (let at = 1; at <= 12; at += 1) {
  const signal = AbortSignal.timeout(150 * at);
  await client.completions.create({ model: 'any', prompt: 'One', stream: true }, { signal }).then(async (stream) => {
    for await (const _ of stream);
  }).catch(() => {});
}`;
    const folder = await agentFolder({ 'agent.mjs': agent });
    const limits = {
      contextTokens: 1000,
      maxTurns: 40,
      toolTimeoutMs: 60_000,
      turnTimeoutMs: 100_000,
      rolloutTimeoutMs: 200_000,
    };
    const sampling = { temperature: 1, maxNewTokens: 900, seed: 3n };
    const command = { directory: folder, command: [process.execPath, 'agent.mjs'] };
    const aborted = async () =>
      Number(/gradus_engine_requests_total\{outcome="aborted"\} (\S+)/.exec(await engineMetrics())?.[1] ?? 0);
    const before = await aborted();
    await fleet.publish(agentTask('left', command, { limits, sampling }));
    const result = await fleet.resultOf('left', 200_000);
    expect(result.environmentMetrics['turns_abandoned']).toBeGreaterThan(0);
    const trajectory = await fleet.trajectoryOf(result);
    checkTrajectory(trajectory);
    expect(trajectory.segments.filter(({ kind }) => kind === SegmentKind.MODEL)).toHaveLength(result.turns);
    await expect.poll(aborted).toBeGreaterThan(before);
  });

  it('P8: the same task gives the same tokens again', async () => {
    const sampling = { temperature: 1, maxNewTokens: 24, seed: 5n };
    const digests: string[] = [];
    for (const id of ['same-a', 'same-b']) {
      await fleet.publish(taskOf(id, { sampling }));
      digests.push(Buffer.from((await fleet.trajectoryOf(await fleet.resultOf(id))).sequenceDigest).toString('hex'));
    }
    expect(digests[0]).toBe(digests[1]);
  });

  it('P8: a rollout recorded in a full batch comes again when it is played alone', async () => {
    const ids = Array.from({ length: 24 }, (_, i) => `batched-${i}`);
    const sampling = (i: number) => ({ temperature: 1, maxNewTokens: 24, seed: BigInt(i) + 77n });
    await Promise.all(ids.map((id, i) => fleet.publish(taskOf(id, { sampling: sampling(i) }))));
    for (const id of ids.slice(0, 4)) {
      const recorded = await fleet.trajectoryOf(await fleet.resultOf(id));
      const { policy, retrieval, reward } = fleet;
      const played = await playAgain({
        task: recorded.task,
        policy: policy.address,
        retrieval: retrieval.address,
        reward: reward.address,
        timeoutMs: 60_000,
        signal: new AbortController().signal,
      });
      const comparison = compareTrajectories(recorded, played.trajectory, 0n);
      // The batch changes the order of sums, so the last digits, and with them, rarely, a draw at the edge of two tokens.
      expect(comparison.largestLogprobDifference).toBeLessThan(1e-4);
      expect(comparison.difference?.kind ?? SegmentKind.MODEL).toBe(SegmentKind.MODEL);
      expect(comparison.equalTokens).toBeGreaterThan(recorded.segments[0]?.tokenIds.length ?? 0);
    }
  });
});
