import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Question } from '#proto/rollout/v1/task_pb.ts';
import { CancelledError, TerminalError, errorFrom } from '#shared/errors.ts';
import type { Nats } from '#shared/nats/connect.ts';
import { questionFormatOf } from '#shared/questions/question-format.ts';
import { readQuestions } from '#shared/questions/read-questions.ts';
import { recipeHash } from '#shared/recipe/resolve-recipe.ts';
import type { ResolvedRecipe } from '#shared/recipe/resolve-recipe.ts';
import type { Recipe } from '#shared/recipe/schema.ts';
import type { WorkerStatuses } from '#shared/nats/worker-statuses.ts';
import type { Logger } from '#shared/telemetry/logging.ts';
import type { Metrics } from '#shared/telemetry/metrics.ts';
import type { CoordinatorConfig } from '../config.ts';
import type { CoordinatorEvents } from '../events.ts';
import { createRunFiles } from '../files/run-files.ts';
import type { RunFiles } from '../files/run-files.ts';
import { createLedgerWriter, foldLedger } from '../ledger/ledger-stream.ts';
import type { FencedWriter, Ledger } from '../ledger/ledger-stream.ts';
import type { RunState } from '../ledger/run-state.ts';
import { checkRewardService } from '../groupwise/check-reward-service.ts';
import type { RewardClient } from '../groupwise/ask-patiently.ts';
import type { LearnerClient } from '../run/learner-session.ts';
import type { PolicyClient } from '../run/policy-session.ts';
import { createProgressBoard } from '../run/progress-board.ts';
import type { Progress, ProgressBoard } from '../run/progress-board.ts';
import { watchOverdue } from '../run/watch-overdue.ts';
import { checkRequest, isMoved } from './check-request.ts';
import type { RunRequest } from './check-request.ts';
import { driveRun } from './drive-run.ts';
import { claimLeadership, leasePatienceMs } from './leadership.ts';
import type { Leadership } from './leadership.ts';
import { createRunContext, overdueOptions, recordingLedger } from './run-parts.ts';
import type { RunningRuns } from './running-runs.ts';

/** What all runs of a coordinator share. */
export interface RunDependencies {
  readonly config: CoordinatorConfig;
  /** Its name as a holder of leases, and where others reach it. */
  readonly self: { readonly holder: string; readonly address: string };
  readonly nats: Nats;
  readonly running: RunningRuns;
  readonly policy: PolicyClient;
  readonly learner: LearnerClient;
  /** Absent where none is configured. */
  readonly reward: RewardClient | undefined;
  readonly events: CoordinatorEvents;
  readonly metrics: Metrics;
  readonly workers: Pick<WorkerStatuses, 'list'>;
  readonly log: Logger;
}

/** A run that this process drives. */
export interface DrivenRun {
  readonly runId: string;
  readonly recipe: ResolvedRecipe['recipe'];
  readonly state: RunState;
  readonly progress: Progress;
  readonly board: ProgressBoard;
  /** Milliseconds since the last fact. */
  sinceLastEntryMs(): number;
  stop(now: boolean): void;
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
}

/** Facts of a former leader may still come in while a new one reads; more often than this is no accident. */
const claims = 5;

/**
 * Checks a request, becomes the leader, writes its first fact (the start of the run, or that it goes on) and sets the run going.
 * What is wrong with the request or its files is thrown here; what goes wrong later ends the run as failed, and it can be
 * resumed. Undefined when there was nothing to adopt.
 */
export async function startRun(
  deps: RunDependencies,
  request: RunRequest,
  options: StartOptions,
  signal: AbortSignal,
): Promise<DrivenRun | undefined> {
  const { nats, self, running } = deps;
  const { runId } = request;
  // A request that cannot be right does not wait for a lease.
  if (!options.adopt) {
    const { recipe } = checkRequest(request, (await foldLedger(nats, runId, signal)).state);
    await checkRewardService(recipe, deps.reward, true, signal);
  }
  const leadership = await claimLeadership(nats, {
    runId,
    ...self,
    fromEarlierSelf: options.fromEarlierSelf,
    patienceMs: options.adopt ? 0 : leasePatienceMs,
    signal,
  });
  try {
    let known = await foldLedger(nats, runId, signal);
    if (options.adopt && known.state.life !== 'running') {
      await running.remove(runId, signal);
      await leadership.release();
      return undefined;
    }
    const resolved = checkRequest(request, known.state);
    // A run that is taken over does not depend on whether the service answers at that moment.
    await checkRewardService(resolved.recipe, deps.reward, false, signal);
    const questions = {
      train: await allQuestions(resolved.paths.train, resolved.recipe),
      heldOut: await allQuestions(resolved.paths.held_out, resolved.recipe),
    };
    const moved = isMoved(request, known.state);
    if (moved) await checkMoved(request.directory, known.state.directory);
    const directory = known.state.life === 'new' || moved ? request.directory : known.state.directory;
    const files = createRunFiles(nats, runId, directory, resolved, (caller) => leadership.confirm(caller));
    await running.add(runId, signal);
    for (let claim = 1; ; claim++) {
      const writer = createLedgerWriter(nats, known, Date.now);
      try {
        await files.restore(signal);
        await writer.append(firstFact(deps, request, known, resolved, directory));
        leadership.writeWith(writer);
        return setGoing(deps, { runId, resolved, directory, questions, files, writer, leadership });
      } catch (thrown) {
        if (!writer.refused.aborted || claim === claims) {
          await files.close();
          throw thrown;
        }
        known = await foldLedger(nats, runId, signal);
        checkRequest(request, known.state);
      }
    }
  } catch (thrown) {
    await leadership.release();
    throw thrown;
  }
}

function firstFact(
  { self, config: { fleetId } }: RunDependencies,
  request: RunRequest,
  known: Ledger,
  resolved: ResolvedRecipe,
  directory: string,
): Parameters<FencedWriter['append']>[0] {
  const { holder } = self;
  const { recipe } = resolved;
  const { recipeJson } = request;
  if (known.state.life !== 'new') {
    const place = isMoved(request, known.state) ? { directory, recipeJson } : {};
    return { case: 'runResumed', value: { learnerStep: BigInt(known.state.step), holder, fleetId, ...place } };
  }
  const seed = BigInt(recipe.seed);
  return {
    case: 'runStarted',
    value: { recipeJson, recipeHash: recipeHash(recipe), seed, directory, holder, fleetId },
  };
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

/** Gold that a stage's scorers cannot read is refused here, by file and question, not after an hour of generating. */
async function allQuestions(path: string, { data, stages }: Recipe): Promise<Question[]> {
  const questions: Question[] = [];
  for await (const question of readQuestions(path, questionFormatOf(data), stages)) questions.push(question);
  return questions;
}

export interface RunParts {
  readonly runId: string;
  readonly resolved: ResolvedRecipe;
  readonly directory: string;
  readonly questions: { readonly train: readonly Question[]; readonly heldOut: readonly Question[] };
  readonly files: RunFiles;
  readonly writer: FencedWriter;
  readonly leadership: Leadership;
}

function setGoing(deps: RunDependencies, parts: RunParts): DrivenRun {
  const { runId, resolved, writer, leadership } = parts;
  const board = createProgressBoard();
  const ledger = recordingLedger(deps, parts, board);
  const now = new AbortController();
  const afterStep = new AbortController();
  const context = createRunContext(deps, parts, {
    ledger,
    board,
    signal: AbortSignal.any([now.signal, leadership.lost]),
    stopSignal: afterStep.signal,
  });
  async function driveWatched(): Promise<void> {
    const watching = new AbortController();
    const watch = watchOverdue(overdueOptions(deps, context), watching.signal).catch((thrown: unknown) => {
      context.log.error({ err: errorFrom(thrown) }, 'what is overdue is no longer watched');
    });
    await driveRun(context, parts, deps);
    watching.abort();
    await watch;
  }
  return {
    runId,
    recipe: resolved.recipe,
    get state() {
      return writer.state;
    },
    get progress() {
      return board.current;
    },
    board,
    sinceLastEntryMs: () => ledger.sinceLastEntryMs(),
    stop,
    handOver() {
      if (afterStep.signal.aborted) stop(true);
      else leadership.handOver();
    },
    ended: driveWatched(),
  };

  function stop(atOnce: boolean): void {
    afterStep.abort(new CancelledError('cancelled', 'the run is asked to stop'));
    if (atOnce) now.abort(new CancelledError('cancelled', 'the run is asked to stop now'));
    board.update({ message: atOnce ? 'stopping now' : 'stopping after this step' });
  }
}
