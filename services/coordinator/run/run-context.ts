import { join } from 'node:path';
import type { Question } from '#proto/rollout/v1/task_pb.ts';
import type { Nats } from '#shared/nats/connect.ts';
import type { Recipe, StageRecipe } from '#shared/recipe/schema.ts';
import type { ResolvedRecipe } from '#shared/recipe/resolve-recipe.ts';
import type { Logger } from '#shared/telemetry/logging.ts';
import type { CoordinatorEvents } from '../events.ts';
import type { LedgerWriter } from '../ledger/ledger-stream.ts';
import type { RunState } from '../ledger/run-state.ts';
import type { GroupwiseSession } from '../groupwise/groupwise-session.ts';
import type { LearnerSession } from './learner-session.ts';
import type { PolicySession } from './policy-session.ts';
import type { ProgressBoard } from './progress-board.ts';
import type { ResultIntake } from './result-intake.ts';
import type { TaskPublisher } from './task-publisher.ts';

/** Everything that the phases of one run work with. */
export interface RunContext {
  readonly runId: string;
  readonly resolved: ResolvedRecipe;
  readonly recipe: Recipe;
  readonly recipeHash: string;
  readonly directory: string;
  readonly questions: { readonly train: readonly Question[]; readonly heldOut: readonly Question[] };
  readonly nats: Nats;
  readonly ledger: LedgerWriter;
  readonly publisher: TaskPublisher;
  readonly intake: ResultIntake;
  readonly learner: LearnerSession;
  readonly policy: PolicySession;
  /** Absent where the coordinator has no reward service; recipes that need one are refused then. */
  readonly groupwise: GroupwiseSession | undefined;
  readonly progress: ProgressBoard;
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

/** `name`, or `name#2` when the stage is repeated: part of task ids, so that a repeat asks new tasks. */
export function stageLabel(stage: StageRecipe, round: number): string {
  return round === 0 ? stage.name : `${stage.name}#${round + 1}`;
}

/** Where a branch of weights has its checkpoints: the run's directory for the first one. */
export function branchDirectory(directory: string, branch: number): string {
  return branch === 0 ? directory : join(directory, 'branches', String(branch));
}

/** Model that a branch starts from. */
export function branchModel(context: Pick<RunContext, 'directory' | 'resolved'>, branch: number): string {
  return branch === 0 ? context.resolved.paths.model : join(branchDirectory(context.directory, branch), 'model');
}

/** Directory of the current weights. */
export function currentWeights(context: Pick<RunContext, 'directory' | 'resolved'>, state: RunState): string {
  return state.weightsPath === '' ? branchModel(context, state.branch.index) : state.weightsPath;
}
