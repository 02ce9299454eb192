import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FailureClass, type RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { RolloutTaskSchema } from '#proto/rollout/v1/task_pb.ts';
import { TrajectorySchema } from '#proto/trajectory/v1/trajectory_pb.ts';
import { publishBytes } from '#platform/nats/publish.ts';
import { streams, subjects } from '#platform/nats/streams.ts';
import { checkTrajectory } from '#trajectory/check-trajectory.ts';
import { encodeTrajectory } from '#trajectory/encode-trajectory.ts';
import { promptSegment } from '#trajectory/segments.ts';
import { sequenceDigest } from '#trajectory/sequence-digest.ts';
import { TransientError } from '#platform/errors.ts';
import { useRolloutFleet, type RolloutFleet } from './fleet.ts';
import { chain, runId, slowChain, taskOf } from './task.ts';

const root = join(import.meta.dirname, '../..');
const start = useRolloutFleet();

const taskIds = (count: number): string[] => Array.from({ length: count }, (_, i) => `task-${i}`);

async function publishAll(to: RolloutFleet, ids: readonly string[]): Promise<void> {
  await Promise.all(ids.map((id) => to.publish(taskOf(id))));
}

/** Exactly one result for each task, whole, and an empty queue. */
async function expectAllOnce(by: RolloutFleet, ids: readonly string[], timeoutMs = 100_000): Promise<RolloutResult[]> {
  const found = await Promise.all(ids.map((id) => by.resultOf(id, timeoutMs)));
  for (const result of found)
    expect(result).toMatchObject({ failure: FailureClass.UNSPECIFIED, prediction: 'Verland Coast' });
  await expect.poll(() => by.tasksLeft()).toBe(0);
  expect(by.results.map(({ taskId }) => taskId).sort()).toEqual([...ids].sort());
  for (const result of found) {
    const trajectory = await by.trajectoryOf(result);
    checkTrajectory(trajectory);
    expect(trajectory.taskId).toBe(result.taskId);
  }
  return found;
}

/** Tasks that the server was given back, by their place in the queue: of a lease that expires it says nothing here. */
function handBacks({ nats }: RolloutFleet): readonly number[] {
  const sequences: number[] = [];
  nats.nc.subscribe(`$JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED.${streams.tasks}.>`, {
    callback: (_, message) => void sequences.push(message.json<{ readonly stream_seq: number }>().stream_seq),
  });
  return sequences;
}

/** A worker in a process of its own. */
function spawnWorker(to: RolloutFleet, ...flags: string[]) {
  const addresses = { '--policy': to.policy, '--retrieval': to.retrieval, '--reward': to.reward };
  const services = Object.entries(addresses).flatMap(([flag, { address }]) => [flag, address]);
  const child = spawn(
    'node',
    ['services/rollout/main.ts', '--nats-url', to.natsUrl, ...services, '--log-level', 'error', ...flags],
    { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

describe('rollouts when things break', () => {
  it('P1: no rollout is lost and none counts twice when NATS restarts in the middle', async () => {
    const running = await start({ script: slowChain(150) });
    const ids = taskIds(40);
    await publishAll(running, ids);
    await expect.poll(() => running.engine.generated.length).toBeGreaterThan(20);
    await running.restartNats(500);
    await expectAllOnce(running, ids);
  });

  it('P1: a worker that stops finishes what fits its grace and hands the rest back under the same task ids', async () => {
    const stopping = Promise.withResolvers<void>();
    const stopped = Promise.withResolvers<void>();
    const longer = ['task-2', 'task-3'];
    const running = await start({
      // The last turn is written during the grace, or too late for it.
      script: ({ sessionId, turn }) =>
        turn < 2
          ? (chain[turn] ?? '')
          : (longer.includes(sessionId) ? stopped : stopping).promise.then(() => chain[turn] ?? ''),
      worker: { drainMs: 6_000, workerId: 'first' },
    });
    const ids = taskIds(4);
    await publishAll(running, ids);
    await expect.poll(() => running.engine.generated.filter(({ turn }) => turn === 2).length).toBe(4);
    const handedBack = handBacks(running);
    const stop = running.workers[0]?.stop(6_000);
    stopping.resolve();
    await stop;
    await running.nats.nc.flush();
    expect(new Set(handedBack).size).toBe(longer.length);
    stopped.resolve();
    const next = await running.addWorker({ workerId: 'second' });
    const results = await expectAllOnce(running, ids);
    expect(results.map(({ attempt, workerId }) => [attempt, workerId])).toEqual(
      ids.map((id) => [0, longer.includes(id) ? 'second' : 'first']),
    );
    await next.stop();
  });

  it('P1: a worker process that is asked to stop exits with 0 and loses nothing', async () => {
    const running = await start({ script: slowChain(300), workers: 0 });
    const ids = taskIds(12);
    await publishAll(running, ids);
    const child = spawnWorker(running, '--concurrency', '6', '--drain-ms', '2600');
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    expect(JSON.parse(line.toString())).toMatchObject({
      service: 'rollout',
      grpc: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    });
    await expect.poll(() => running.engine.generated.length).toBeGreaterThanOrEqual(6);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(running.results.length).toBeLessThan(ids.length);
    await running.addWorker();
    await expectAllOnce(running, ids);
  });

  it('P1: a worker killed with SIGKILL loses nothing: its tasks come back after their lease', async () => {
    const running = await start({ script: slowChain(200), workers: 0 });
    const ids = taskIds(8);
    await publishAll(running, ids);
    const child = spawnWorker(running);
    await expect.poll(() => running.engine.generated.length).toBeGreaterThanOrEqual(8);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await running.addWorker();
    await expectAllOnce(running, ids);
  });

  it('P1: a worker that is frozen while its tasks run elsewhere does no harm when it wakes', async () => {
    let frozen = false;
    const woken = Promise.withResolvers<void>();
    const running = await start({
      workers: 0,
      script: ({ turn }) =>
        // What the frozen worker asked for ends after it woke; what others ask for ends at once.
        frozen ? (chain[turn] ?? '') : woken.promise.then(() => chain[turn] ?? ''),
    });
    const ids = taskIds(6);
    const limits = {
      contextTokens: 512,
      maxTurns: 6,
      toolTimeoutMs: 1_000,
      turnTimeoutMs: 40_000,
      rolloutTimeoutMs: 60_000,
    };
    await Promise.all(ids.map((id) => running.publish(taskOf(id, { limits }))));
    const child = spawnWorker(running, '--worker-id', 'frozen');
    await expect.poll(() => running.engine.generated.length).toBe(6);
    child.kill('SIGSTOP');
    frozen = true;
    await running.addWorker({ workerId: 'other' });
    const first = await expectAllOnce(running, ids);
    expect(first.map(({ workerId }) => workerId)).toEqual(ids.map(() => 'other'));
    woken.resolve();
    child.kill('SIGCONT');
    // It plays its rollouts to their ends; their results are no news.
    await expect.poll(() => running.engine.generated.length).toBe(6 * 3 * 2);
    child.kill('SIGTERM');
    await once(child, 'exit');
    await expectAllOnce(running, ids);
    expect(await running.deadLetters()).toEqual([]);
  });

  it('P1: a task that fails here is delivered again under the same id, and counts once', async () => {
    let failures = 0;
    const running = await start({
      worker: { retries: 0 },
      script: ({ turn }) => {
        if (turn === 1 && failures < 2) {
          failures += 1;
          throw new TransientError('aborted', 'the engine lost its place');
        }
        return chain[turn] ?? '';
      },
    });
    await publishAll(running, ['again']);
    await expectAllOnce(running, ['again']);
    expect(running.engine.generated.filter(({ turn }) => turn === 0)).toHaveLength(3);
    expect(new Set(running.engine.generated.map(({ sessionId }) => sessionId))).toEqual(new Set(['again']));
  });

  it('P1, P2: the death of a worker uses up none of the deliveries that are for the failures of the task', async () => {
    let isDead = false;
    let failures = 0;
    const held = Promise.withResolvers<string>();
    const running = await start({
      workers: 0,
      script: ({ turn }) => {
        if (!isDead) return held.promise;
        if (failures === 0) {
          failures += 1;
          throw new TransientError('aborted', 'the engine lost its place');
        }
        return chain[turn] ?? '';
      },
    });
    await publishAll(running, ['again']);
    const child = spawnWorker(running);
    await expect.poll(() => running.engine.generated.length).toBe(1);
    child.kill('SIGKILL');
    await once(child, 'exit');
    isDead = true;
    held.resolve('');
    await running.addWorker({ maxDeliveries: 2, retries: 0 });
    await expectAllOnce(running, ['again']);
    expect(failures).toBe(1);
  });

  it('retries a turn in place, with the same prefix and seed, when the budget allows it', async () => {
    let failures = 0;
    const running = await start({
      worker: { retries: 2 },
      script: ({ turn }) => {
        if (turn === 1 && failures < 2) {
          failures += 1;
          throw new TransientError('unavailable', 'the engine is unavailable');
        }
        return chain[turn] ?? '';
      },
    });
    await publishAll(running, ['steady']);
    await expectAllOnce(running, ['steady']);
    const second = running.engine.generated
      .filter(({ turn }) => turn === 1)
      .map(({ request }) => ({ ids: request.tokenIds, seed: request.sampling?.seed }));
    expect(second.length).toBe(3);
    expect(new Set(second.map((one) => `${one.ids.join()}:${one.seed}`)).size).toBe(1);
    expect(running.engine.generated.filter(({ turn }) => turn === 0)).toHaveLength(1);
  });

  it('P1, P4: a result points at its own tokens, even when an earlier delivery left others under the same message id', async () => {
    const running = await start({ script: slowChain(0), workers: 0 });
    const stale = create(TrajectorySchema, {
      runId,
      taskId: 'twice',
      segments: [promptSegment('x', [1])],
      tokenizerHash: 'x',
      sequenceDigest: sequenceDigest([1]),
    });
    await publishBytes(
      running.nats,
      subjects.trajectory(runId),
      await encodeTrajectory(stale),
      { messageId: `${runId}:twice:0:t` },
      'a stale trajectory',
    );
    await running.addWorker();
    await publishAll(running, ['twice']);
    await expectAllOnce(running, ['twice']);
  });

  it('P1: the same task published twice gives one result', async () => {
    const running = await start({ script: slowChain(0) });
    await running.publish(taskOf('same'));
    await running.resultOf('same');
    // Past the queue's own dedupe: another message with the same task.
    await running.publishRaw(toBinary(RolloutTaskSchema, taskOf('same')));
    await expect.poll(() => running.engine.generated.filter(({ turn }) => turn === 2).length).toBe(2);
    await expectAllOnce(running, ['same']);
  });
});
