import { TerminalError } from '#platform/errors.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import type { Row } from '#proto/rollout/v1/task_pb.ts';
import type { Nats } from '#platform/nats/connect.ts';
import type { Recipe, StageRecipe } from '#recipe/schema.ts';
import type { ResolvedRecipe } from '#recipe/resolve-recipe.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import type { CoordinatorEvents } from './events.ts';
import type { RunArtefacts } from './files/run-artefacts.ts';
import type { LedgerWriter } from './ledger-writer.ts';
import { laterBranchModel } from '#run/directory/places.ts';
import type { RunState } from '#run/ledger/run-state.ts';
import type { GroupwiseSession } from './groupwise/groupwise-session.ts';
import type { LearnerSession } from './sessions/learner-session.ts';
import type { PolicySession } from './sessions/policy-session.ts';
import type { RunProgress } from './watches/run-progress.ts';
import type { ResultIntake } from './groups/result-intake.ts';
import type { TaskPublisher } from './groups/task-publisher.ts';

export interface RunRows {
  readonly train: readonly Row[];
  readonly heldOut: readonly Row[];
  /** Of files that stages have of their own, by stage. */
  readonly own: ReadonlyMap<string, readonly Row[]>;
}

/** Everything that the phases of one run work with. */
export interface RunContext {
  readonly runId: string;
  readonly resolved: ResolvedRecipe;
  readonly recipe: Recipe;
  readonly recipeHash: string;
  readonly directory: string;
  readonly rows: RunRows;
  readonly nats: Nats;
  readonly ledger: LedgerWriter;
  readonly publisher: TaskPublisher;
  readonly intake: ResultIntake;
  /** Absent where no stage of the recipe trains. */
  readonly learner: LearnerSession | undefined;
  readonly policy: PolicySession;
  /** What learner and engines read of this run, and it of theirs. */
  readonly artefacts: RunArtefacts;
  /** Rollouts that the run may have published and unanswered now, as the fleet is shared; at least a group. */
  openRollouts(groupSize: number): number;
  /** Whether the trajectory that a result names is there, and of its task. While NATS does not answer it waits until the signal. */
  hasTrajectory(result: Pick<RolloutResult, 'taskId' | 'trajectorySequence'>, signal: AbortSignal): Promise<boolean>;
  /** Writes to the run's folder, again and again while its disk is full, until the signal or a stop. What it writes has to be there each time. */
  writeFolder(signal: AbortSignal, write: () => Promise<void>): Promise<void>;
  /** Absent where the coordinator has no reward service; recipes that need one are refused then. */
  readonly groupwise: GroupwiseSession | undefined;
  readonly progress: RunProgress;
  readonly events: CoordinatorEvents;
  readonly log: Logger;
  /** Throws when another coordinator leads the run. */
  confirmLead(): Promise<void>;
  /** Monotonic, in milliseconds. */
  now(): number;
  /** Stop now. */
  readonly signal: AbortSignal;
  /** Stop after the step; an evaluation ends at once, it goes on where it was. */
  readonly stopSignal: AbortSignal;
}

export function learnerOf({ learner, runId }: Pick<RunContext, 'learner' | 'runId'>): LearnerSession {
  if (learner === undefined)
    throw new TerminalError('internal', `run ${runId} has no learner, and a stage that trains`);
  return learner;
}

/** `name`, or `name#2` when the stage is repeated: part of task ids, so that a repeat asks new tasks. */
export function stageLabel(stage: Pick<StageRecipe, 'name'>, round: number): string {
  return round === 0 ? stage.name : `${stage.name}#${round + 1}`;
}

/** Model that a branch starts from. */
export function branchModel(
  { directory, resolved }: Pick<RunContext, 'directory' | 'resolved'>,
  branch: number,
): string {
  return branch === 0 ? resolved.paths.model : laterBranchModel(directory, branch);
}

/** Location of the current weights: of a branch that has no step yet, a directory of this machine. */
export function currentWeights(context: Pick<RunContext, 'directory' | 'resolved'>, state: RunState): string {
  return state.weightsPath === '' ? branchModel(context, state.branch.index) : state.weightsPath;
}

/** Directory of the current weights on this machine. */
export async function localWeights(
  context: Pick<RunContext, 'directory' | 'resolved' | 'artefacts' | 'signal'>,
  state: RunState,
): Promise<string> {
  return await context.artefacts.read(currentWeights(context, state), context.signal);
}

/** Location of the current weights that engines can read. */
export async function sharedWeights(
  context: Pick<RunContext, 'directory' | 'resolved' | 'artefacts' | 'signal'>,
  state: RunState,
): Promise<string> {
  return await context.artefacts.locate(currentWeights(context, state), context.signal);
}
