import { createWatchdog } from '#platform/async/watchdog.ts';
import { errorFrom } from '#platform/errors.ts';
import { needsLearner } from '#stages/kit/kinds.ts';
import { leaseTtlMs } from '#platform/nats/bucket-settings.ts';
import { withLocatedEnvironment } from '#recipe/environment-part.ts';
import { recipeHash } from '#recipe/resolve-recipe.ts';
import type { LedgerWriter } from '../ledger-writer.ts';
import { createGroupwiseSession } from '../groupwise/groupwise-session.ts';
import { readTurns } from '../groupwise/read-turns.ts';
import { createLearnerSession } from '../sessions/learner-session.ts';
import { coordinatorWaits } from '../watches/overdue-message.ts';
import { createPolicySession } from '../sessions/policy-session.ts';
import { createDivergenceWatch } from '../watches/divergence-watch.ts';
import type { RunProgress } from '../watches/run-progress.ts';
import { createBatchSource } from '../training/batch-source.ts';
import { hasTrajectory } from '../groups/read-trajectory.ts';
import { startResultIntake } from '../groups/result-intake.ts';
import type { RunContext } from '../run-context.ts';
import { createTaskPublisher } from '../groups/task-publisher.ts';
import type { TaskPublisher } from '../groups/task-publisher.ts';
import { maxOverdueWaits } from '../watches/watch-overdue.ts';
import type { OverdueWatchOptions } from '../watches/watch-overdue.ts';
import { bestVersions } from '#run/ledger/best-versions.ts';
import { createRunArtefacts } from '../files/run-artefacts.ts';
import { sayNoRoom, waitForRoom } from '../files/wait-for-room.ts';
import type { Leadership } from '../leadership/leadership.ts';
import type { RunDependencies, RunParts } from './start-run.ts';

/** The ledger of a driven run: what is appended also goes to the files, the metrics and everyone who watches. */
export function recordingLedger(
  deps: RunDependencies,
  { runId, resolved, writer, files, directory }: RunParts,
  progress: RunProgress,
  until: { readonly signal: AbortSignal; readonly stop: AbortSignal },
): LedgerWriter & { sinceLastEntryMs(): number } {
  let lastEntryMs = performance.now();
  const log = deps.log.child({ run: runId });
  const watch = createDivergenceWatch(log, (diverges) => deps.events.rewardDiverges(runId, diverges));
  watch.observe(writer.state);
  deps.events.series.observe(writer.state, resolved.recipe);
  return {
    get state() {
      return writer.state;
    },
    sinceLastEntryMs: () => performance.now() - lastEntryMs,
    async append(fact) {
      const before = writer.state;
      const entry = await writer.append(fact);
      if (writer.state === before) return entry;
      lastEntryMs = performance.now();
      deps.events.ledgerEntry(fact.case ?? 'none');
      watch.observe(writer.state);
      deps.events.series.observe(writer.state, resolved.recipe);
      let waited = false;
      const onWait = (error: Error): void => {
        waited = true;
        sayNoRoom({ directory, progress, log }, error);
      };
      await files.entry(entry, writer.state, onWait, until);
      // Other facts may be recorded meanwhile: what is said stays until this line is written.
      progress.update(waited ? { message: '' } : {});
      return entry;
    },
  };
}

export interface ContextOptions {
  readonly ledger: LedgerWriter;
  readonly progress: RunProgress;
  readonly signal: AbortSignal;
  readonly stopSignal: AbortSignal;
}

/** What the phases of a run work with. Everything that acts outside asks first whether this process still leads the run. */
export function createRunContext(deps: RunDependencies, parts: RunParts, options: ContextOptions): RunContext {
  const { config, nats, events } = deps;
  const { runId, resolved, directory, leadership, writer } = parts;
  const { progress, signal, stopSignal } = options;
  const log = deps.log.child({ run: runId });
  const retries = (service: 'learner' | 'policy' | 'artefact service') => ({
    totalMs: config.maxOutageMs,
    stop: stopSignal,
    onRetry(error: Error, waitedMs: number) {
      events.retried(service);
      log.warn({ err: error, waitedMs: Math.round(waitedMs) }, `the ${service} does not answer; trying again`);
      progress.update({ message: `waiting for the ${service}: ${error.message}` });
    },
  });
  const artefacts = createRunArtefacts({
    client: deps.artefacts,
    runId,
    kept: (state) => bestVersions(resolved.recipe, state).map(({ path }) => path),
    directory,
    retries: retries('artefact service'),
  });
  return {
    runId,
    artefacts,
    resolved,
    recipe: withLocatedEnvironment(resolved.recipe, resolved.paths.environment),
    recipeHash: recipeHash(resolved.recipe),
    directory,
    rows: parts.rows,
    nats,
    ledger: options.ledger,
    publisher: ledPublisher(createTaskPublisher(nats, runId), leadership),
    intake: startResultIntake(nats, runId, log),
    learner:
      deps.learner && needsLearner(resolved.recipe)
        ? createLearnerSession({
            client: deps.learner,
            runId,
            directory,
            resolved,
            trainTimeoutMs: config.trainTimeoutMs,
            retries: retries('learner'),
            epoch: writer.epoch,
            leads: {
              confirm: () => leadership.confirm(signal),
              verify: () => leadership.verify(),
            },
            async onDamaged(files, learnerStep) {
              log.error({ damaged: files, learnerStep }, 'files of the learner are damaged; look at the disk');
              const value = { files: [...files], learnerStep: BigInt(learnerStep) };
              await options.ledger.append({ case: 'filesDamaged', value });
            },
            source: createBatchSource(nats, runId, resolved, signal),
            artefacts,
          })
        : undefined,
    policy: createPolicySession({
      client: deps.policy,
      timeoutMs: config.loadTimeoutMs,
      retries: retries('policy'),
      epoch: writer.epoch,
      confirm: () => leadership.confirm(signal),
    }),
    openRollouts: (groupSize) =>
      deps.shares.of(
        { runId, priority: writer.state.priority },
        {
          mostOpen: resolved.recipe.fleet.max_open_rollouts,
          mostShare: resolved.recipe.fleet.max_run_share,
          groupSize,
        },
      ),
    hasTrajectory: (result, until) => hasTrajectory(nats, runId, result, until),
    writeFolder: (until, write) => waitForRoom({ directory, progress, log, stop: stopSignal }, until, write),
    groupwise:
      deps.reward &&
      createGroupwiseSession({
        client: deps.reward,
        runId,
        recipe: resolved.recipe,
        maxOutageMs: config.maxOutageMs,
        turnsOf: (sample, until) =>
          readTurns(nats, runId, sample, { signal: until, timeoutMs: Math.max(30_000, config.maxOutageMs) }),
        events,
        log,
        now: () => performance.now(),
      }),
    progress,
    events,
    log,
    // Also asked when the run is stopped, so bound by time rather than by its signal.
    confirmLead: () => leadership.confirm(AbortSignal.timeout(leaseTtlMs)),
    now: () => performance.now(),
    signal,
    stopSignal,
  };
}

/** What is overdue is reported for each run by itself, and counted over all. */
export function overdueOptions(
  { config, metrics, workers }: RunDependencies,
  context: RunContext,
): OverdueWatchOptions {
  const { log, ledger, progress } = context;
  return {
    watchdog: createWatchdog({
      component: 'coordinator',
      whats: coordinatorWaits,
      log,
      metrics,
      maxWaits: maxOverdueWaits,
    }),
    progress,
    state: () => ledger.state,
    trainTimeoutMs: config.trainTimeoutMs,
    loadTimeoutMs: config.loadTimeoutMs,
    async workers(signal) {
      try {
        return await workers.list(signal);
      } catch (thrown) {
        if (!signal.aborted)
          log.debug({ err: errorFrom(thrown) }, 'the statuses of workers cannot be read at the moment');
        return undefined;
      }
    },
  };
}

function ledPublisher(publisher: TaskPublisher, leadership: Leadership): TaskPublisher {
  return {
    ...publisher,
    async publish(task, purpose, signal) {
      await leadership.confirm(signal);
      return publisher.publish(task, purpose, signal);
    },
    async clear(signal) {
      await leadership.confirm(signal);
      return publisher.clear(signal);
    },
  };
}
