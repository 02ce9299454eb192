import { createArtefactClient } from '#artefacts/artefact-files.ts';
import { nuid } from '@nats-io/transport-node';
import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { LearnerService } from '#proto/learner/v1/learner_service_pb.ts';
import { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { createReplicatedClient } from '#platform/grpc/replicated-client.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import { connectNats } from '#platform/nats/connect.ts';
import { ensureLeases } from '#platform/nats/lease.ts';
import { ensureStreams } from '#platform/nats/streams.ts';
import { createWorkerStatuses } from '#platform/nats/worker-statuses.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import type { CoordinatorConfig } from './config.ts';
import { createCoordinatorEvents } from './events.ts';
import { describeFleet } from './handlers/describe-fleet.ts';
import { getSummary } from './handlers/get-summary.ts';
import { listRunFiles, readRunFile } from './handlers/run-files.ts';
import { readEvents } from './handlers/read-events.ts';
import { stopRun } from './handlers/stop-run.ts';
import { submitRun } from './handlers/submit-run.ts';
import { submitRecipe } from './handlers/submit-recipe.ts';
import { watchRun } from './handlers/watch-run.ts';
import type { DrivenRun } from './runs/start-run.ts';
import { createQueueSeries, watchSeries } from './series/queue-series.ts';
import { adoptRuns } from './leadership/adopt-runs.ts';
import { createRolloutShares } from './runs/rollout-shares.ts';
import { createRunRegistry } from './runs/run-registry.ts';
import { createRunningRuns } from './leadership/running-runs.ts';
import { createWaitingRuns } from './queue/waiting-runs.ts';
import { offerSuccession } from './leadership/successors.ts';
import { loadOwnEnvironment } from '#environments/own-file/load.ts';

export async function startCoordinator(config: CoordinatorConfig, ctx: ServiceContext): Promise<{ grpc: string }> {
  for (const file of config.environmentFiles) await loadOwnEnvironment(file);
  const { log, metrics, security } = ctx;
  const nats = await connectNats({
    url: config.natsUrl,
    replicas: config.natsReplicas,
    name: 'gradus-coordinator',
    log,
    signal: ctx.signal,
    metrics,
    security,
  });
  ctx.defer('NATS', () => nats.close());
  await ensureStreams(nats);
  await ensureLeases(nats, ctx.signal);
  const policy = createReplicatedClient(PolicyService, {
    addresses: config.policy.split(','),
    timeoutMs: config.loadTimeoutMs,
    security,
    probeIntervalMs: 500,
    probeTimeoutMs: 2_000,
    // A version is loaded through one gateway, on all engines; the others learn it from those.
    keys: { describe: () => '', loadVersion: () => '' },
    onDown: (gateway, error) => log.warn({ gateway, err: error }, 'a policy gateway does not answer; another is asked'),
    onUnresolved: (name, error) =>
      log.warn({ name, err: error }, 'a name of policy gateways cannot be resolved; those known stay'),
  });
  ctx.defer('policy client', () => policy.close());
  const learner =
    config.learner === undefined
      ? undefined
      : createGrpcClient(LearnerService, config.learner, { timeoutMs: config.trainTimeoutMs, security });
  ctx.defer('learner client', () => learner?.close());
  const artefacts = config.artefacts === undefined ? undefined : createArtefactClient(config.artefacts, security);
  ctx.defer('artefact client', async () => artefacts?.close());
  const reward =
    config.reward === undefined
      ? undefined
      : createGrpcClient(RewardService, config.reward, { timeoutMs: 30_000, security });
  ctx.defer('reward client', () => reward?.close());

  const events = createCoordinatorEvents(metrics);
  const running = createRunningRuns(nats, config.fleetId);
  const waiting = createWaitingRuns(nats, config.fleetId);
  const holder = config.coordinatorId === '' ? `coordinator-${nuid.next()}` : config.coordinatorId;
  const self = { holder, address: config.advertise };
  const shares = createRolloutShares();
  const registry = createRunRegistry({
    config,
    security,
    self,
    shares,
    nats,
    running,
    waiting,
    policy,
    learner,
    artefacts,
    reward,
    events,
    metrics,
    workers: createWorkerStatuses(nats),
    log,
  });
  const watched = {
    queue: createQueueSeries(metrics, nats),
    runs: events.series,
    directories: () => registry.own().flatMap((runId) => directoryOf(registry.driven(runId))),
    log,
  };
  const watching = new AbortController();
  const watches = watchSeries(watched, watching.signal);
  ctx.defer('series', async () => {
    watching.abort();
    await watches;
  });
  const server = createGrpcServer({ log, metrics, security });
  const adopting = new AbortController();
  // In reverse: no run is taken over any more, runs are left to another coordinator or stopped, watchers see that, then calls and
  // connections end.
  ctx.defer('gRPC server', () => server.drain(config.drainMs));
  ctx.defer('runs', () => registry.leaveAll());
  server.add(CoordinatorService, {
    submitRun: (request, call) => submitRun({ nats, registry, home: config.home }, request, call.signal),
    getRun: (request, call) => registry.status(request.runId, call.signal),
    listRuns: (_request, call) => registry.list(call.signal),
    watchRun: (request, call) => watchRun(registry, request.runId, call.signal),
    stopRun: (request, call) => stopRun(registry, request, call.signal),
    describeFleet: () => describeFleet(config),
    submitRecipe: (request, call) => submitRecipe(registry, config.home, request, call.signal),
    readEvents: (request, call) => readEvents(nats, request, call.signal),
    listRunFiles: (request, call) => listRunFiles(nats, request.runId, call.signal),
    readRunFile: (request, call) => readRunFile(nats, request, call.signal),
    getSummary: (request, call) => getSummary(nats, request.runId, call.signal),
  });
  const grpc = await server.listen(config.grpc);
  if (self.address === '') self.address = grpc;
  const hasRoom = (): boolean => registry.own().length < config.maxRuns;
  const offer = await offerSuccession(nats, config.fleetId, hasRoom, ctx.signal);
  const adopted = adoptRuns({ nats, registry, running, shares, holder, events, log, signal: adopting.signal });
  ctx.defer('taking over', async () => {
    offer[Symbol.dispose]();
    adopting.abort();
    await adopted;
  });
  return { grpc };
}

const directoryOf = (run: DrivenRun | undefined): [string, string][] =>
  run === undefined ? [] : [[run.runId, run.state.directory]];
