import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { DescribeResponse } from '#proto/policy/v1/policy_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import type { Trajectory } from '#proto/trajectory/v1/trajectory_pb.ts';
import { CancelledError, TerminalError } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { parseResolvedRecipe } from '#recipe/resolve-recipe.ts';
import type { ResolvedRecipe } from '#recipe/resolve-recipe.ts';
import { rerootPaths } from '#recipe/reroot.ts';
import { compareTrajectories } from '#trajectory/compare-trajectories.ts';
import { recordedComposition, recordedTask } from '#trajectory/recorded-task.ts';
import { exitCodes } from '../exit-codes.ts';
import { openOperator } from '#fleet/credentials-directory.ts';
import { fleetKey, readFleetFile } from '#fleet/fleet-file.ts';
import type { FleetFile } from '#fleet/fleet-file.ts';
import { playAgain } from '../replay/play-again.ts';
import { ledgerEntries } from '#run/ledger/read-ledger.ts';
import { findWeights, newestWeights, weightsHistory } from '#run/ledger/weights-history.ts';
import type { Weights, WeightsHistory, WeightsStore } from '#run/ledger/weights-history.ts';
import { startReplayFleet } from '../replay/replay-fleet.ts';
import { renderReplay, replayJson, verdictOf } from '../replay/replay-report.ts';
import type { ReplayOutcome } from '../replay/replay-report.ts';
import { modelProblems } from '../run/prepare-inputs.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { findResult, lastRollout, readTrajectory } from '#run/rollouts/results.ts';
import { withNats, withStreams } from '../transcript/with-streams.ts';
import { defaultNatsUrl } from '../store/nats-url.ts';
import { withStore } from '../store/with-store.ts';
import { weightsStore } from '../replay/weights-store.ts';
import { watchInterrupts } from './interrupts.ts';
import { environmentLimitFlags } from '#fleet/fleet-plan.ts';
import { loadOwnEnvironment } from '#environments/own-file/load.ts';
import { shortId } from '../terminal/format.ts';

export interface RolloutReplayOptions {
  readonly home: string;
  readonly run?: string;
  readonly policy: 'recorded' | 'current';
  /** Plays with the model in this directory instead. */
  readonly model?: string;
  /** Directory of certificates, in place of the running fleet's. */
  readonly credentials?: string;
  /** NATS of services that were started by hand, in place of the home's. */
  readonly natsUrl?: string;
  /** Store of artefacts with versions that lie in no folder of the run. */
  readonly store?: string;
  readonly json: boolean;
}

/** Reading the streams of a large home. */
const readTimeoutMs = 120_000;
/** Starting the process, scoring and writing the answer, next to the rollout itself. */
const playMarginMs = 60_000;

/** Plays a recorded rollout again and compares. Gives 0 when it is the same, 1 when not. Nothing of it is counted. */
export async function rolloutReplayCommand(
  id: string | undefined,
  options: RolloutReplayOptions,
  terminal: Terminal,
): Promise<number> {
  if (id === undefined && options.run === undefined)
    throw new TerminalError('invalid_argument', 'give the id of a rollout, or --run RUN (its last rollout)');
  const stopping = new AbortController();
  const interrupts = watchInterrupts();
  interrupts.onFirst(() => stopping.abort(new CancelledError('cancelled', 'the replay was stopped')));
  try {
    const outcome = await replay(id, options, terminal, stopping.signal);
    terminal.out(options.json ? replayJson(outcome) : renderReplay(outcome));
    return verdictOf(outcome) === 'different' ? exitCodes.different : exitCodes.ok;
  } finally {
    interrupts.release();
  }
}

async function replay(
  id: string | undefined,
  options: RolloutReplayOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<ReplayOutcome> {
  const home = resolve(options.home);
  const { result, trajectory, history } = await readRecord(home, id, options, terminal, signal);
  const rolloutTimeoutMs = recordedTimeoutMs(result, trajectory);
  const directory = join(home, result.runId);
  const resolved = await readRecipe(directory, history.directory);
  const paths = options.model === undefined ? resolved.paths : { ...resolved.paths, model: resolve(options.model) };
  const problems = await modelProblems(paths.model);
  if (problems.length > 0)
    throw new TerminalError(
      'not_found',
      `${paths.model} is not a model directory: ${problems.join('; ')}; name the model with --model DIR`,
    );

  const lent = await usableFleet(home, resolved);
  const weights = await chooseWeights(options, result, history, directory, lent, terminal, signal);
  const same = options.model === undefined && options.policy === 'recorded';
  terminal.err(terminal.colours.dim('starting what the replay needs'));
  const credentials = options.credentials === undefined ? lent?.credentials : resolve(options.credentials);
  const fleet = await startReplayFleet({
    inputs: { recipe: resolved.recipe, paths },
    lent,
    weights,
    credentials,
    logs: join(directory, 'logs'),
    signal,
  });
  try {
    checkTokenizer(trajectory, fleet.description);
    const played = await playAgain({
      ...fleet,
      credentials,
      task: trajectory.task,
      ...(paths.environment_file !== undefined && {
        environmentFlags: { 'environment-file': paths.environment_file, ...environmentLimitFlags(resolved.recipe) },
      }),
      timeoutMs: rolloutTimeoutMs + playMarginMs,
      signal,
    });
    const version = weights?.version ?? fleet.description.version;
    return {
      recorded: result,
      replayed: played.result,
      policy: {
        same,
        version,
        from: weights === undefined ? 'the running fleet' : (weights.location ?? weights.path ?? paths.model),
      },
      composition: recordedComposition(trajectory),
      comparison: compareTrajectories(trajectory, played.trajectory, same ? version : undefined),
    };
  } finally {
    await fleet.stop();
  }
}

async function readRecord(
  home: string,
  id: string | undefined,
  { run, natsUrl, credentials }: RolloutReplayOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<{ result: RolloutResult; trajectory: Trajectory; history: WeightsHistory }> {
  const reading = AbortSignal.any([signal, AbortSignal.timeout(readTimeoutMs)]);
  const read = async (nats: Nats) => {
    const result =
      id === undefined ? await lastRollout(nats, run ?? '', reading) : await findResult(nats, id, run, reading);
    const trajectory = await readTrajectory(nats, result);
    return { result, trajectory, history: weightsHistory(await ledgerEntries(nats, result.runId, reading)) };
  };
  if (natsUrl !== undefined) return await withNats(natsUrl, reading, read, await openOperator(credentials));
  const reader = { command: 'gradus rollout replay', note: (line: string) => terminal.err(line) };
  return await withStreams(home, reader, reading, read);
}

function recordedTimeoutMs(result: RolloutResult, trajectory: Trajectory): number {
  if (trajectory.task.length === 0)
    throw new TerminalError(
      'failed_precondition',
      `rollout ${shortId(result.taskId)} was recorded by a version that did not keep its task, so it cannot be played again`,
    );
  return recordedTask(trajectory).limits?.rolloutTimeoutMs ?? 0;
}

async function readRecipe(directory: string, recordedDirectory: string): Promise<ResolvedRecipe> {
  let text: string;
  try {
    text = await readFile(join(directory, 'recipe.json'), 'utf8');
  } catch (cause) {
    throw new TerminalError('not_found', `${directory} has no recipe.json, so the run's inputs are not known`, {
      cause,
    });
  }
  const resolved = parseResolvedRecipe(text);
  const { environment_file: file } = resolved.paths;
  if (file !== undefined) await loadOwnEnvironment(file);
  return { ...resolved, paths: rerootPaths(resolved.paths, recordedDirectory, directory) };
}

/** A fleet with another model or corpus is of no use here, and does no harm. */
async function usableFleet(home: string, resolved: ResolvedRecipe): Promise<FleetFile | undefined> {
  const fleet = await readFleetFile(home);
  if (fleet?.key !== fleetKey(resolved, resolved.recipe_path)) return undefined;
  return fleet.services.some(({ service }) => service === 'policy') ? fleet : undefined;
}

/** Undefined: the running fleet's policy, whatever it is. */
async function chooseWeights(
  options: RolloutReplayOptions,
  result: RolloutResult,
  history: WeightsHistory,
  directory: string,
  lent: FleetFile | undefined,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<Weights | undefined> {
  if (options.model !== undefined) return { version: 0n, path: undefined };
  if (options.policy === 'current' && lent !== undefined) return undefined;
  const choose = async (store?: WeightsStore): Promise<Weights> =>
    options.policy === 'recorded'
      ? await findWeights(history, { directory, store }, result.versions?.first ?? 0n)
      : await newestWeights(history, { directory, store });
  const { store: address, natsUrl = defaultNatsUrl, credentials } = options;
  if (address === undefined) return await choose();
  return await withStore({ store: address, natsUrl, credentials }, signal, async (store) =>
    choose(weightsStore(store, join(directory, 'replayed'), terminal, signal)),
  );
}

function checkTokenizer(trajectory: Trajectory, { tokenizerHash }: DescribeResponse): void {
  if (trajectory.tokenizerHash === tokenizerHash) return;
  throw new TerminalError(
    'failed_precondition',
    `the rollout was recorded with tokenizer ${trajectory.tokenizerHash.slice(0, 12)}, the policy has ${tokenizerHash.slice(0, 12)}; tokens of the two cannot be compared`,
  );
}
