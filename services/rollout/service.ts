import { createEnvironmentRegistry } from '#environments/registry.ts';
import { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import { startWatchdog } from '#platform/async/watchdog.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import { onCancelledTasks } from '#platform/nats/cancel.ts';
import { connectNats } from '#platform/nats/connect.ts';
import { ensureStreams } from '#platform/nats/streams.ts';
import { createWorkerStatuses } from '#platform/nats/worker-statuses.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import { createUserCodeHost } from '#user-code/user-code-host.ts';
import type { RolloutConfig } from './config.ts';
import { rolloutWaits } from './episode/episode-ports.ts';
import { createTokenSource } from './episode/token-source.ts';
import { createRolloutEvents } from './events.ts';
import { type RolloutTaskContext, handleRolloutTask, reportExhaustedTask } from './handlers/rollout-task.ts';
import { createScoreBatcher } from './scoring/score-batcher.ts';
import { createSessionAnnouncements } from './worker/announce-sessions.ts';
import { createCancellations } from './worker/cancellations.ts';
import { createConcurrencyLimit } from './worker/concurrency-limit.ts';
import { createEnvironmentClients } from './worker/environment-clients.ts';
import { createOutbox, watchedOutbox } from './worker/outbox.ts';
import { createPolicyGateways } from './worker/policy-gateways.ts';
import { startWorker } from './worker/run-worker.ts';
import { reportStatus } from './worker/report-status.ts';
import { loadOwnEpisodes } from '#environments/own-file/load.ts';

const BYTES_PER_MEBIBYTE = 1024 * 1024;

export async function startRollout(
  config: RolloutConfig,
  ctx: ServiceContext,
  /** What users' code may be granted, by name. */
  variables: NodeJS.ProcessEnv = {},
): Promise<Readonly<Record<string, string>>> {
  const userCode = createUserCodeHost(ctx, variables);
  const limits = {
    processes: config.environmentProcesses,
    memoryMebibytes: config.environmentMemoryMebibytes,
    startTimeoutMs: config.environmentStartTimeoutMs,
    variables: config.environmentVariables,
  };
  const { callTimeoutMs: timeoutMs, retrieval } = config;
  const { security } = ctx;
  for (const file of config.environmentFiles) await loadOwnEpisodes({ file, limits, retrieval }, await userCode());
  const reward = createGrpcClient(RewardService, config.reward, { timeoutMs, security });
  const events = createRolloutEvents(ctx.log, ctx.metrics);
  const policy = createPolicyGateways({
    addresses: config.policy.split(','),
    timeoutMs,
    security,
    probeIntervalMs: 500,
    probeTimeoutMs: 2_000,
    onDown: events.gatewayDown,
    onUnresolved: events.gatewaysUnresolved,
  });
  const sessions = createSessionAnnouncements(config, policy, events.sessionsUnannounced);
  const clients = createEnvironmentClients({
    retrieval,
    timeoutMs,
    security,
    userCode,
    sessions,
    tokenize: policy.tokenize,
    describe: policy.describe,
  });
  ctx.defer('clients', () => [sessions, policy, clients, reward].forEach((client) => client.close()));

  const nats = await connectNats({
    url: config.natsUrl,
    replicas: config.natsReplicas,
    name: `rollout ${config.workerId}`,
    log: ctx.log,
    metrics: ctx.metrics,
    signal: ctx.signal,
    security,
  });
  ctx.defer('nats', () => nats.close());
  await ensureStreams(nats);

  const cancellations = createCancellations();
  const listening = onCancelledTasks(nats, (word) => cancellations.cancel(word));
  ctx.defer('cancellations', () => listening[Symbol.dispose]());
  const watchdog = startWatchdog({
    component: 'worker',
    whats: rolloutWaits,
    log: ctx.log,
    metrics: ctx.metrics,
    // Each rollout waits for one thing at a time.
    maxWaits: config.concurrency * 2,
  });
  ctx.defer('watchdog', () => watchdog[Symbol.dispose]());
  const environments = createEnvironmentRegistry(clients);
  ctx.defer('environments', async () => await environments[Symbol.asyncDispose]());
  const limit = createConcurrencyLimit({
    max: config.concurrency,
    everyMs: 500,
    now: () => performance.now(),
    held: () => worker.held,
    onChange: events.concurrencyChanged,
  });
  events.concurrencyStarts(limit.current);
  const context: RolloutTaskContext = {
    workerId: config.workerId,
    maxDeliveries: config.maxDeliveries,
    redeliveryDelayMs: config.redeliveryDelayMs,
    environments,
    outbox: watchedOutbox(
      createOutbox(nats, {
        timeoutMs: config.publishTimeoutMs,
        maxBytes: config.outboxMebibytes * BYTES_PER_MEBIBYTE,
      }),
      watchdog,
      config.publishTimeoutMs,
    ),
    cancellations,
    events,
    ports: {
      generate: config.adaptConcurrency ? limit.watch(policy.generate) : policy.generate,
      tokens: createTokenSource(policy.tokenize, { maxBytes: config.tokenCacheMebibytes * BYTES_PER_MEBIBYTE }),
      scores: createScoreBatcher((items, options) => reward.score({ items }, options), {
        maxItems: config.scoreBatchItems,
        maxWaitMs: config.scoreBatchWaitMs,
      }),
      waits: watchdog,
      retries: { retries: config.retries, baseDelayMs: config.retryDelayMs },
      events,
    },
  };

  // No RPCs of its own: health and reflection, as every service has.
  const server = createGrpcServer({ log: ctx.log, metrics: ctx.metrics, security: ctx.security });
  const grpc = await server.listen(config.grpc);
  ctx.defer('grpc server', () => server.drain(1_000));

  const worker = startWorker(nats, {
    concurrency: config.concurrency,
    concurrencyNow: () => limit.current,
    maxDeliveries: config.maxDeliveries,
    events,
    handle: (message, signal) => handleRolloutTask(context, message, signal),
    onExhausted: (message, reason) => reportExhaustedTask(context, message, reason),
  });
  worker.pulling.catch((error: unknown) => ctx.fail(error));
  const reporting = reportStatus(
    createWorkerStatuses(nats),
    { workerId: config.workerId, limit: config.concurrency, held: () => worker.held, watchdog },
    ctx.signal,
    (error) => events.statusNotTold(error),
  );
  ctx.defer('status', () => reporting);
  // Four fifths of the drain are the rollouts'; the rest is for the connections.
  ctx.defer('rollouts', () => worker.drain(config.drainMs * 0.8));
  server.setServing(true);
  return { grpc };
}
