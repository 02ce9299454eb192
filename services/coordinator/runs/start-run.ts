import { isAbsolute } from 'node:path';
import type { SubmitRunRequest } from '#proto/coordinator/v1/coordinator_pb.ts';
import type { Question } from '#proto/rollout/v1/task_pb.ts';
import { CancelledError, TerminalError, errorFrom } from '#shared/errors.ts';
import { readMusique } from '#shared/musique/read-musique.ts';
import { toQuestion } from '#shared/musique/to-question.ts';
import { getMessage } from '#shared/nats/messages.ts';
import { streams } from '#shared/nats/streams.ts';
import { parseResolvedRecipe, recipeHash } from '#shared/recipe/resolve-recipe.ts';
import type { ResolvedRecipe } from '#shared/recipe/resolve-recipe.ts';
import { unsupportedParts } from '#shared/recipe/unsupported-parts.ts';
import type { Nats } from '#shared/nats/connect.ts';
import type { Logger } from '#shared/telemetry/logging.ts';
import type { CoordinatorConfig } from '../config.ts';
import type { CoordinatorEvents } from '../events.ts';
import { createRunFiles } from '../files/run-files.ts';
import { createLedgerWriter, foldLedger } from '../ledger/ledger-stream.ts';
import type { LedgerWriter } from '../ledger/ledger-stream.ts';
import type { RunState } from '../ledger/run-state.ts';
import { createLearnerSession } from '../run/learner-session.ts';
import type { LearnerClient } from '../run/learner-session.ts';
import { createPolicySession } from '../run/policy-session.ts';
import type { PolicyClient } from '../run/policy-session.ts';
import { createProgressBoard } from '../run/progress-board.ts';
import type { Progress, ProgressBoard } from '../run/progress-board.ts';
import { startResultIntake } from '../run/result-intake.ts';
import type { RunContext } from '../run/run-context.ts';
import { runLoop } from '../run/run-loop.ts';
import type { RunEnd } from '../run/run-loop.ts';
import { createTaskPublisher } from '../run/task-publisher.ts';

/** What all runs of a coordinator share. */
export interface RunDependencies {
  readonly config: CoordinatorConfig;
  readonly nats: Nats;
  readonly policy: PolicyClient;
  readonly learner: LearnerClient;
  readonly events: CoordinatorEvents;
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
  /** Resolves when the run has ended and its files are written; never rejects. */
  readonly ended: Promise<RunState>;
}

/**
 * Checks a request, writes the first fact of the run (or finds it in the ledger) and sets it going. What is wrong with the
 * request or its files is thrown here; what goes wrong later ends the run as failed, and it can be resumed.
 */
export async function startRun(
  deps: RunDependencies,
  request: SubmitRunRequest,
  signal: AbortSignal,
): Promise<DrivenRun> {
  const { runId } = request;
  const known = await foldLedger(deps.nats, runId, signal);
  const resolved = checkRequest(request, known);
  const questions = {
    train: await readQuestions(resolved.paths.train),
    heldOut: await readQuestions(resolved.paths.held_out),
  };
  const hash = recipeHash(resolved.recipe);
  if (known.life !== 'new' && known.recipeHash !== hash) {
    throw new TerminalError(
      'failed_precondition',
      `run ${runId} was made by a version whose recipe hash differs (${known.recipeHash.slice(0, 12)}, now ${hash.slice(0, 12)}); resume it with that version`,
    );
  }
  const directory = known.life === 'new' ? request.directory : known.directory;
  const files = createRunFiles(deps.nats, runId, directory, resolved);
  const writer = createLedgerWriter(deps.nats, known, Date.now);
  const board = createProgressBoard();
  let lastEntryMs = performance.now();
  const ledger: LedgerWriter = {
    get state() {
      return writer.state;
    },
    async append(fact) {
      const before = writer.state;
      const entry = await writer.append(fact);
      if (writer.state === before) return entry;
      lastEntryMs = performance.now();
      deps.events.ledgerEntry(fact.case ?? 'none');
      await files.entry(entry, writer.state);
      board.update({});
      return entry;
    },
  };
  await files.restore(signal);
  if (known.life === 'new') {
    const value = { recipeJson: request.recipeJson, recipeHash: hash, seed: BigInt(resolved.recipe.seed), directory };
    await ledger.append({ case: 'runStarted', value });
  } else {
    await ledger.append({ case: 'runResumed', value: { learnerStep: BigInt(known.step) } });
  }

  const now = new AbortController();
  const afterStep = new AbortController();
  const context = createContext(deps, {
    runId,
    resolved,
    hash,
    directory,
    questions,
    ledger,
    board,
    signal: now.signal,
    stopSignal: afterStep.signal,
  });
  const ended = drive(context, files, now.signal);
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
    sinceLastEntryMs: () => performance.now() - lastEntryMs,
    stop(atOnce) {
      afterStep.abort(new CancelledError('cancelled', 'the run is asked to stop'));
      if (atOnce) now.abort(new CancelledError('cancelled', 'the run is asked to stop now'));
      board.update({ message: atOnce ? 'stopping now' : 'stopping after this step' });
    },
    ended,
  };
}

function checkRequest(request: SubmitRunRequest, known: RunState): ResolvedRecipe {
  const { runId } = request;
  if (known.life === 'new') {
    if (request.resume)
      throw new TerminalError(
        'not_found',
        `run_id: there is no run '${runId}' to resume; gradus status lists the runs that are known`,
      );
    if (!isAbsolute(request.directory))
      throw new TerminalError('invalid_argument', `directory: '${request.directory}' must be an absolute path`);
    const resolved = parseResolvedRecipe(request.recipeJson);
    const missing = unsupportedParts(resolved.recipe);
    if (missing.length > 0) throw new TerminalError('failed_precondition', `recipe: ${missing.join('; ')}`);
    return resolved;
  }
  if (!request.resume)
    throw new TerminalError(
      'already_exists',
      `run_id: '${runId}' is the name of an earlier run; choose another one, or resume it`,
    );
  if (known.life === 'finished')
    throw new TerminalError('failed_precondition', `run '${runId}' is finished; there is nothing to resume`);
  return parseResolvedRecipe(known.recipeJson);
}

async function readQuestions(path: string): Promise<Question[]> {
  const questions: Question[] = [];
  for await (const row of readMusique(path)) questions.push(toQuestion(row));
  return questions;
}

interface ContextParts {
  readonly runId: string;
  readonly resolved: ResolvedRecipe;
  readonly hash: string;
  readonly directory: string;
  readonly questions: RunContext['questions'];
  readonly ledger: LedgerWriter;
  readonly board: ProgressBoard;
  readonly signal: AbortSignal;
  readonly stopSignal: AbortSignal;
}

function createContext(deps: RunDependencies, parts: ContextParts): RunContext {
  const { config, nats, events } = deps;
  const { runId, resolved, directory } = parts;
  const log = deps.log.child({ run: runId });
  const patience = (service: 'learner' | 'policy') => ({
    totalMs: config.patienceMs,
    onRetry(error: Error, waitedMs: number) {
      events.retried(service);
      log.warn({ err: error, waitedMs: Math.round(waitedMs) }, `the ${service} does not answer; trying again`);
      parts.board.update({ message: `waiting for the ${service}: ${error.message}` });
    },
  });
  return {
    runId,
    resolved,
    recipe: resolved.recipe,
    recipeHash: parts.hash,
    directory,
    questions: parts.questions,
    nats,
    ledger: parts.ledger,
    publisher: createTaskPublisher(nats, runId),
    intake: startResultIntake(nats, runId, log),
    learner: createLearnerSession({
      client: deps.learner,
      runId,
      directory,
      resolved,
      trainTimeoutMs: config.trainTimeoutMs,
      patience: patience('learner'),
      trajectory: (sequence) => getMessage(nats, streams.trajectories, sequence),
    }),
    policy: createPolicySession(deps.policy, config.loadTimeoutMs, patience('policy')),
    progress: parts.board,
    events,
    log,
    now: () => performance.now(),
    signal: parts.signal,
    stopSignal: parts.stopSignal,
  };
}

async function drive(
  context: RunContext,
  files: ReturnType<typeof createRunFiles>,
  stopNow: AbortSignal,
): Promise<RunState> {
  const { log, ledger } = context;
  const summarize = async () => void (await files.writeSummary(ledger.state, stopNow));
  let end: RunEnd;
  try {
    end = await runLoop(context, summarize);
  } catch (thrown) {
    const error = errorFrom(thrown);
    const stopped = context.stopSignal.aborted && error instanceof CancelledError;
    end = stopped
      ? { life: 'stopped', message: 'stopped on request; it can be resumed' }
      : { life: 'failed', message: error.message };
    if (!stopped) log.error({ err: error }, 'the run has failed; it can be resumed');
  }
  await context.intake[Symbol.asyncDispose]();
  try {
    await ledger.append({ case: 'runEnded', value: { state: end.life, message: end.message } });
    const totals = await files.writeSummary(ledger.state, AbortSignal.timeout(60_000));
    log.info({ ...end, ...totals }, 'the run has ended');
  } catch (thrown) {
    // The ledger still says `running`, which reads as interrupted: it can be resumed all the same.
    log.error({ err: errorFrom(thrown), ...end }, 'the end of the run could not be written');
  }
  context.progress.update({ message: end.message });
  return ledger.state;
}
