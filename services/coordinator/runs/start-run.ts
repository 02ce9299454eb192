import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtefactClient } from '#artefacts/artefact-files.ts';
import type { StopRunRequest } from '#proto/coordinator/v1/coordinator_pb.ts';
import { CancelledError, TerminalError, errorFrom } from '#platform/errors.ts';
import { describeChange } from '#recipe/inputs/changed-inputs.ts';
import type { Nats } from '#platform/nats/connect.ts';
import type { Security } from '#platform/security/security.ts';
import { recipeHash } from '#recipe/resolve-recipe.ts';
import type { ResolvedRecipe } from '#recipe/resolve-recipe.ts';
import { changesPolicy, needsLearner } from '#stages/kit/kinds.ts';
import type { WorkerStatuses } from '#platform/nats/worker-statuses.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';
import type { CoordinatorConfig } from '../config.ts';
import type { CoordinatorEvents } from '../events.ts';
import { createRunFiles } from '../files/run-files.ts';
import type { RunFiles } from '../files/run-files.ts';
import { foldLedger } from '#run/ledger/read-ledger.ts';
import { createLedgerWriter } from '../ledger-writer.ts';
import type { Ledger } from '#run/ledger/read-ledger.ts';
import type { FencedWriter } from '../ledger-writer.ts';
import { withoutQueue, type RunState } from '#run/ledger/run-state.ts';
import { checkRewardService } from '../groupwise/check-reward-service.ts';
import type { RewardClient } from '../groupwise/score-with-retries.ts';
import type { LearnerClient } from '../sessions/learner-session.ts';
import { checkEnginesOf } from '../sessions/check-engines.ts';
import type { PolicyClient } from '../sessions/policy-session.ts';
import { readRunRows } from '../stages/prompt-rows.ts';
import { createRunProgress } from '../watches/run-progress.ts';
import type { Progress, RunProgress } from '../watches/run-progress.ts';
import type { RunRows } from '../run-context.ts';
import { watchLostTasks } from '../watches/watch-lost-tasks.ts';
import { watchOverdue } from '../watches/watch-overdue.ts';
import { watchRunQueue } from '../watches/watch-run-queue.ts';
import { checkInputs } from './check-inputs.ts';
import type { StandsOn } from './check-inputs.ts';
import { checkPaths } from './check-paths.ts';
import { checkRequest, stateForFleet } from './check-request.ts';
import type { CheckedRequest, RunRequest } from './check-request.ts';
import { driveRun } from './drive-run.ts';
import type { RolloutShares } from './rollout-shares.ts';
import { endUnledRun } from './unled-runs.ts';
import { claimLeadership, leaseWaitMs } from '../leadership/leadership.ts';
import type { Leadership } from '../leadership/leadership.ts';
import { createRunContext, overdueOptions, recordingLedger } from './run-parts.ts';
import type { RunningRuns } from '../leadership/running-runs.ts';
import type { WaitingRuns } from '../queue/waiting-runs.ts';

/** What all runs of a coordinator share. */
export interface RunDependencies {
  readonly config: CoordinatorConfig;
  /** Its name as a holder of leases, and where others reach it. */
  readonly self: { readonly holder: string; readonly address: string };
  readonly nats: Nats;
  /** For calls to other coordinators. */
  readonly security?: Security | undefined;
  readonly running: RunningRuns;
  readonly waiting: WaitingRuns;
  readonly shares: RolloutShares;
  readonly policy: PolicyClient;
  /** Absent where learner and engines read the paths of this machine. */
  readonly artefacts?: ArtefactClient | undefined;
  /** Absent where none is configured; recipes of which a stage trains are refused then. */
  readonly learner: LearnerClient | undefined;
  /** Absent where none is configured. */
  readonly reward: RewardClient | undefined;
  readonly events: CoordinatorEvents;
  readonly metrics: Metrics;
  readonly workers: Pick<WorkerStatuses, 'list'>;
  readonly log: Logger;
}

export type StopWish = Pick<StopRunRequest, 'now' | 'reason'>;

/** A run that this process drives. */
export interface DrivenRun {
  readonly runId: string;
  readonly recipe: ResolvedRecipe['recipe'];
  readonly state: RunState;
  readonly progress: Progress;
  readonly liveProgress: RunProgress;
  /** Milliseconds since the last fact. */
  sinceLastEntryMs(): number;
  /**
   * Resolves once the request is in the ledger, and acts on it. Throws `CancelledError` when another coordinator leads the run:
   * that one is to be asked.
   */
  requestStop(request: StopWish): Promise<void>;
  /** Stops it now because this process ends; nobody asked the run to stop, so the ledger records the end only. */
  leave(): void;
  /** Leaves it as it is, for another coordinator to take over at once. One that is asked to stop is stopped. */
  handOver(): void;
  /** Resolves when the run has ended and its files are written, or another coordinator has it; never rejects. */
  readonly ended: Promise<void>;
}

export interface StartOptions {
  /** The run has a fact of its start and none of its end: it is taken over, or left alone when that is not so. */
  readonly adopt: boolean;
  /** The lease may be taken from an earlier process of the same name. */
  readonly fromEarlierSelf: boolean;
  /** It leaves the queue: it is started if it still waits there, or left alone. */
  readonly fromQueue: boolean;
  /** A run that is taken over is not ended yet for files that are not here: another coordinator may have them, or they come back. */
  readonly waitsForFiles: boolean;
}

/** Facts of a former leader may still come in while a new one reads; more often than this is no accident. */
const claims = 5;

/** Throws what is wrong with a request, as far as that is known without a lease of the run. Gives its recipe. */
export async function checkSubmission(
  deps: RunDependencies,
  request: RunRequest,
  state: RunState,
  signal: AbortSignal,
): Promise<ResolvedRecipe['recipe']> {
  const checked = checkRequest(request, state);
  await checkPaths(checked, rootsOf(deps.config));
  const { recipe } = checked.resolved;
  if (deps.learner === undefined && needsLearner(recipe))
    throw new TerminalError(
      'failed_precondition',
      'a stage of the recipe trains, and this coordinator has no learner: start it with --learner HOST:PORT (GRADUS_LEARNER)',
    );
  await checkEnginesOf(recipe, deps.policy, signal);
  await checkRewardService(recipe, deps.reward, true, signal);
  return recipe;
}

/**
 * Checks a request, becomes the leader, writes its first fact (the start of the run, or that it goes on) and sets the run going.
 * What is wrong with the request or its files is thrown here; what goes wrong later ends the run as failed, and it can be
 * resumed. Undefined when there was nothing to adopt, or the run does not wait any more.
 */
export async function startRun(
  deps: RunDependencies,
  request: RunRequest,
  options: StartOptions,
  signal: AbortSignal,
): Promise<DrivenRun | undefined> {
  const { nats, self, running, waiting } = deps;
  const { runId } = request;
  const leadership = await claimLeadership(nats, {
    runId,
    ...self,
    fromEarlierSelf: options.fromEarlierSelf,
    waitMs: options.adopt || options.fromQueue ? 0 : leaseWaitMs,
    signal,
  });
  try {
    let known = await foldLedger(nats, runId, signal);
    if (options.adopt && known.state.life !== 'running') {
      await running.remove(runId, signal);
      await leadership.release();
      return undefined;
    }
    if (options.fromQueue && known.state.life !== 'queued') {
      await waiting.remove(runId, signal);
      await leadership.release();
      return undefined;
    }
    const state = options.fromQueue ? withoutQueue(known.state) : stateForFleet(known.state, deps.config.fleetId);
    const checked = checkRequest(request, state);
    const { resolved, directory } = checked;
    await checkPaths(checked, rootsOf(deps.config));
    if (directory !== state.directory && state.life !== 'new') await checkMoved(directory, state.directory);
    // Before they are read: what was cut or edited may not even parse.
    const standsOn = await checkInputs({ ...request, takenOver: options.adopt }, checked, state, signal);
    const files = createRunFiles(nats, runId, directory, { ...resolved, inputs: standsOn.inputs }, (caller) =>
      leadership.confirm(caller),
    );
    const { refusal } = standsOn;
    if (refusal !== undefined) {
      const changed = refusal.details['changed'];
      if (options.adopt && !(standsOn.isGone && options.waitsForFiles)) {
        deps.log.warn({ run: runId, changed }, 'a run without a leader is ended: what it stands on has changed');
        // Nobody is there to accept it: the ledger says which file it was, and the run can be resumed.
        const writer = createLedgerWriter(nats, known);
        await endUnledRun(deps, writer, files, { state: 'failed', message: refusal.message }, signal);
      }
      throw refusal;
    }
    if (standsOn.passed.length > 0)
      deps.log.warn(
        { run: runId, changed: standsOn.passed.map(describeChange) },
        'the run goes on although files next to those that it loads have changed',
      );
    // A run that is taken over does not depend on whether the service answers at that moment.
    await checkRewardService(resolved.recipe, deps.reward, false, signal);
    const rows = await readRunRows(resolved);
    const priority = request.priority || known.state.priority;
    await running.add(runId, { priority, changesPolicy: changesPolicy(resolved.recipe) }, signal);
    for (let claim = 1; ; claim++) {
      const writer = createLedgerWriter(nats, known);
      try {
        await files.restore(signal);
        await writer.append(firstFact(deps, { ...request, takenOver: options.adopt }, known, checked, standsOn));
        leadership.writeWith(writer);
        // Not before it is among those that go on: nobody may see a place that is free.
        await waiting.remove(runId, signal);
        return setGoing(deps, { runId, resolved, directory, rows, files, writer, leadership });
      } catch (thrown) {
        if (!writer.refused.aborted || claim === claims) {
          await files.close();
          throw thrown;
        }
        known = await foldLedger(nats, runId, signal);
        checkRequest(request, options.fromQueue ? withoutQueue(known.state) : known.state);
      }
    }
  } catch (thrown) {
    await leadership.release();
    throw thrown;
  }
}

function firstFact(
  { self, config: { fleetId } }: RunDependencies,
  request: RunRequest & { readonly takenOver: boolean },
  known: Ledger,
  { resolved: { recipe }, directory, replaced }: CheckedRequest,
  { recorded: inputs, accepted }: StandsOn,
): Parameters<FencedWriter['append']>[0] {
  const { holder } = self;
  const { takenOver, priority = 0 } = request;
  const recipeJson = request.recipeJson || known.state.recipeJson;
  if (known.state.begun) {
    const place = replaced ? { directory, recipeJson: request.recipeJson } : {};
    const learnerStep = BigInt(known.state.step);
    return {
      case: 'runResumed',
      value: { learnerStep, holder, fleetId, takenOver, ...place, inputs, accepted, priority },
    };
  }
  const seed = BigInt(recipe.seed);
  return {
    case: 'runStarted',
    value: { recipeJson, recipeHash: recipeHash(recipe), seed, directory, holder, fleetId, inputs, priority },
  };
}

/** Runs of recipes that are submitted lie in the home. */
function rootsOf({ roots, home }: RunDependencies['config']): readonly string[] {
  return roots.length === 0 || home === undefined ? roots : [...roots, home];
}

/** A wrong directory would silently begin the run's files anew there. */
async function checkMoved(directory: string, before: string): Promise<void> {
  try {
    await access(join(directory, 'recipe.json'));
  } catch (cause) {
    throw new TerminalError(
      'failed_precondition',
      `directory: ${directory} has no recipe.json; the run's files were last in ${before}: move all of them, or resume the run from there`,
      { cause },
    );
  }
}

export interface RunParts {
  readonly runId: string;
  readonly resolved: ResolvedRecipe;
  readonly directory: string;
  readonly rows: RunRows;
  readonly files: RunFiles;
  readonly writer: FencedWriter;
  readonly leadership: Leadership;
}

function setGoing(deps: RunDependencies, parts: RunParts): DrivenRun {
  const { runId, resolved, writer, leadership } = parts;
  const progress = createRunProgress();
  const now = new AbortController();
  const afterStep = new AbortController();
  const signal = AbortSignal.any([now.signal, leadership.lost]);
  const ledger = recordingLedger(deps, parts, progress, { signal, stop: afterStep.signal });
  const context = createRunContext(deps, parts, {
    ledger,
    progress,
    signal,
    stopSignal: afterStep.signal,
  });
  // A request that was taken by the leader before this one.
  if (writer.state.stop !== undefined) halt(writer.state.stop.now);

  async function driveWatched(): Promise<void> {
    const watching = new AbortController();
    const watch = watchOverdue(overdueOptions(deps, context), watching.signal).catch((thrown: unknown) => {
      context.log.error({ err: errorFrom(thrown) }, 'what is overdue is no longer watched');
    });
    const queue = watchRunQueue(context, watching.signal);
    const lost = watchLostTasks(context, overdueOptions(deps, context), watching.signal);
    await driveRun(context, parts, deps);
    watching.abort();
    await Promise.all([watch, queue, lost]);
  }
  return {
    runId,
    recipe: resolved.recipe,
    get state() {
      return writer.state;
    },
    get progress() {
      return progress.current;
    },
    liveProgress: progress,
    sinceLastEntryMs: () => ledger.sinceLastEntryMs(),
    async requestStop({ now: atOnce, reason }) {
      await ledger.append({ case: 'stopRequested', value: { now: atOnce, reason, holder: deps.self.holder } });
      halt(atOnce);
    },
    leave: () => halt(true),
    handOver() {
      if (afterStep.signal.aborted) halt(true);
      else leadership.handOver();
    },
    ended: driveWatched(),
  };

  function halt(atOnce: boolean): void {
    afterStep.abort(new CancelledError('cancelled', 'the run is asked to stop'));
    if (atOnce) now.abort(new CancelledError('cancelled', 'the run is asked to stop now'));
    progress.update({});
  }
}
