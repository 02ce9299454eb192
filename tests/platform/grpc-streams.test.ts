import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';

import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { LearnerService } from '#proto/learner/v1/learner_service_pb.ts';
import { sleep } from '#platform/async/sleep.ts';
import { TerminalError, TransientError } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import type { Handlers } from '#platform/grpc/server.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';

import { silentLog as log, unwanted } from './fixtures.ts';

describe('client streaming', () => {
  async function startLearner(trainStep: Handlers<typeof LearnerService>['trainStep']) {
    const server = createGrpcServer({ log, metrics: createMetrics() });
    server.add(LearnerService, { trainStep, openRun: async () => unwanted(), describe: async () => ({ step: 1n }) });
    const client = createGrpcClient(LearnerService, await server.listen('127.0.0.1:0'), { timeoutMs: 60_000 });
    onTestFinished(async () => {
      client.close();
      await server.drain(0);
    });
    return client;
  }

  async function* samples(count: number, trajectory = new Uint8Array(100_000)) {
    for (let index = 0; index < count; index += 1) {
      yield { message: { case: 'sample' as const, value: { trajectory, advantage: index } } };
    }
  }

  test('every message arrives once and in order, also when there is more than fits into the buffers', async () => {
    const client = await startLearner(async (requests) => {
      let sum = 0n;
      let next = 0;
      for await (const { message } of requests) {
        if (message.case !== 'sample' || message.value.advantage !== next) throw new Error('out of order');
        next += 1;
        sum += BigInt(message.value.trajectory.length);
        // Slower than the sender.
        if (next % 50 === 0) await nextTurn();
      }
      return { step: BigInt(next), version: sum };
    });
    expect(await client.trainStep(samples(300))).toMatchObject({ step: 300n, version: 30_000_000n });
  });

  test('a server that refuses half way ends the call with its own error', async () => {
    const client = await startLearner(async (requests) => {
      for await (const { message } of requests) {
        if (message.value !== undefined) throw new TerminalError('failed_precondition', 'step 3 before step 2');
      }
      return {};
    });
    await expect(client.trainStep(samples(500))).rejects.toMatchObject({ code: 'failed_precondition' });
    await expect(client.describe({})).resolves.toMatchObject({ step: 1n });
  });

  test('a source that fails cancels the call, and its error is what the caller sees', async () => {
    const arrived = Promise.withResolvers<void>();
    const seen = Promise.withResolvers<unknown>();
    const client = await startLearner(async (requests) => {
      try {
        for await (const _ of requests) arrived.resolve();
      } catch (error) {
        seen.resolve(error);
        throw error;
      }
      return {};
    });
    async function* torn() {
      yield* samples(2);
      await arrived.promise;
      throw new TerminalError('data_loss', 'a trajectory is torn');
    }
    await expect(client.trainStep(torn())).rejects.toMatchObject({ code: 'data_loss' });
    expect(await seen.promise).toMatchObject({ name: 'CancelledError' });
  });

  test('a cancelled call does not look like the end of the requests', async () => {
    const arrived = Promise.withResolvers<void>();
    const seen = Promise.withResolvers<unknown>();
    const client = await startLearner(async (requests) => {
      try {
        for await (const _ of requests) arrived.resolve();
        seen.resolve('ended');
      } catch (error) {
        seen.resolve(error);
        throw error;
      }
      return {};
    });
    const controller = new AbortController();
    async function* endless() {
      yield* samples(1);
      await arrived.promise;
      controller.abort();
      await sleep(60_000, controller.signal);
    }
    await expect(client.trainStep(endless(), { signal: controller.signal })).rejects.toMatchObject({
      code: 'cancelled',
    });
    expect(await seen.promise).toMatchObject({ name: 'CancelledError', code: 'cancelled' });
  });
});

describe('server streaming', () => {
  async function startCoordinator(watchRun: Handlers<typeof CoordinatorService>['watchRun']) {
    const server = createGrpcServer({ log, metrics: createMetrics() });
    const handlers = {
      describeFleet: async () => unwanted(),
      submitRecipe: async () => unwanted(),
      readEvents: () => unwanted(),
      getSummary: async () => unwanted(),
      listRunFiles: async () => unwanted(),
      readRunFile: () => unwanted(),
      submitRun: async () => unwanted(),
      getRun: async () => unwanted(),
      listRuns: async () => unwanted(),
      stopRun: async () => unwanted(),
      watchRun,
    };
    server.add(CoordinatorService, handlers);
    const client = createGrpcClient(CoordinatorService, await server.listen('127.0.0.1:0'), { timeoutMs: 60_000 });
    onTestFinished(async () => {
      client.close();
      await server.drain(0);
    });
    return client;
  }

  test('responses come in order and the stream ends with the handler', async () => {
    const client = await startCoordinator(async function* ({ runId }) {
      for (let step = 0; step < 500; step += 1) yield { runId, step, message: 'x'.repeat(10_000) };
    });
    const steps: number[] = [];
    for await (const { step } of client.watchRun({ runId: 'r1' })) steps.push(step);
    expect(steps).toEqual(Array.from({ length: 500 }, (_, step) => step));
  });

  test('an error after some responses arrives after them, in its class', async () => {
    const client = await startCoordinator(async function* () {
      yield { step: 1 };
      throw new TransientError('unavailable', 'the leader has changed', { retryAfterMs: 7 });
    });
    const steps: number[] = [];
    const reading = (async () => {
      for await (const { step } of client.watchRun({})) steps.push(step);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'unavailable', retryAfterMs: 7 });
    expect(steps).toEqual([1]);
  });

  test('a reader that stops early ends the handler', async () => {
    const ended = Promise.withResolvers<void>();
    const client = await startCoordinator(async function* (_, { signal }) {
      try {
        for (let step = 0; ; step += 1) {
          yield { step };
          await nextTurn(undefined, { signal });
        }
      } finally {
        ended.resolve();
      }
    });
    for await (const { step } of client.watchRun({})) if (step === 3) break;
    await ended.promise;
  });

  test('P6: a slow reader holds the handler back', async () => {
    let produced = 0;
    const client = await startCoordinator(async function* () {
      for (; produced < 5_000; produced += 1) yield { message: 'x'.repeat(100_000) };
    });
    for await (const _ of client.watchRun({})) {
      // Time is the subject: as long as a handler that nothing holds back needs for all of them.
      await sleep(300);
      break;
    }
    expect(produced).toBeLessThan(500);
  });

  test('P3: the deadline ends a stream too', async () => {
    const client = await startCoordinator(async function* (_, { signal }) {
      yield { step: 0 };
      await sleep(60_000, signal);
    });
    const reading = (async () => {
      for await (const _ of client.watchRun({}, { timeoutMs: 100 }));
    })();
    await expect(reading).rejects.toMatchObject({ code: 'deadline_exceeded' });
  });
});
