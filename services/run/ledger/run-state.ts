import { TerminalError } from '#platform/errors.ts';
import type { Recipe } from '#recipe/schema.ts';
import type { RecordedInput } from '#recipe/resolve-recipe.ts';
import type { GroupClosed, GroupOpened, StepFormed } from '#proto/coordinator/v1/ledger_pb.ts';
import type { TrainingTally } from './training-tally.ts';

/** How a run ended. `nothing_to_learn`: a stage that was to train has no step that learned anything (P9). */
export type RunEnding = 'stopped' | 'failed' | 'finished' | 'nothing_to_learn';

/**
 * The state of a run: a fold over its ledger (`fold.ts`), nothing else.
 *
 *     new -> running -> stopped | failed | finished | nothing_to_learn
 *       \     ^ ^------------+-------+   (resumed)
 *      queued-+                           a resumed run may be queued as well; one that is cancelled there is stopped
 */
export interface RunState {
  readonly runId: string;
  readonly life: 'new' | 'queued' | 'running' | RunEnding;
  /** It has a fact of its start, which one that was cancelled in the queue has not. */
  readonly begun: boolean;
  /** What it will start with; undefined where it does not wait for that. */
  readonly queued: QueuedRequest | undefined;
  /** Why it ended. */
  readonly message: string;
  /** What it was asked for since it was started or resumed; anyone who leads it keeps to that. */
  readonly stop: StopState | undefined;
  readonly recipeJson: string;
  readonly recipeHash: string;
  readonly seed: number;
  readonly directory: string;
  /** Its share of a fleet that several runs have, 1..10. */
  readonly priority: number;
  /** The files that the run stands on, as they were recorded or accepted last; empty in ledgers of earlier versions. */
  readonly inputs: readonly RecordedInput[];
  /** When they were; 0 where they were not. */
  readonly inputsAtMs: number;
  readonly acceptedChanges: readonly AcceptedInput[];
  /** One for each time a stage was entered, so a repeated stage is here twice. */
  readonly stages: readonly StageState[];
  readonly baseline: Evaluation | undefined;
  /** Steps committed over the run. */
  readonly step: number;
  readonly branch: Branch;
  /** Directory of the weights of the current version; empty while that is the model of the recipe. */
  readonly weightsPath: string;
  /** Batches that are decided and not yet trained on, in order: at most `max_staleness` + 1. */
  readonly formed: readonly StepFormed[];
  /** Decided batches that a learner may have to see again: those after the oldest of the last checkpoints. */
  readonly replayable: readonly StepFormed[];
  /** Steps (over the run) with a checkpoint, the newest few. */
  readonly checkpoints: readonly number[];
  /** Location of the newest of them; empty without one. */
  readonly checkpointPath: string;
  /**
   * Groups of the evaluation or of the steps in progress, by id, in the order in which they were opened. Those of a step
   * leave when it is committed.
   */
  readonly groups: ReadonlyMap<string, GroupRecord>;
  /** Why results were refused, by attempt (`refusalId`). A run with many of them is ended by its failure budget. */
  readonly refusals: ReadonlyMap<string, string>;
  /** Digests of what stages left for later ones, by `artefactKey`. */
  readonly artefacts: ReadonlyMap<string, string>;
  /** What the learner found wrong with files that it had written, each once. */
  readonly damagedFiles: readonly string[];
  readonly entries: number;
  /** Time in state `running` with a leader, by the leaders' monotonic clocks; for people. */
  readonly activeMs: number;
  /** By the wall clock of the writer of the last entry; for people. */
  readonly lastAtMs: number;
}

/** What of a request to start or resume a run is not in its state yet. */
export interface QueuedRequest {
  /** Fleet in whose queue it is. */
  readonly fleetId: string;
  /** Of a resumed run, as it was submitted then; may be empty. */
  readonly recipeJson: string;
  readonly directory: string;
  readonly acceptChanged: readonly string[];
}

/** A file, or the recipe, that changed, and that somebody accepted at a resume, or a takeover passed over as it decides nothing. */
export interface AcceptedInput {
  readonly atMs: number;
  readonly name: string;
  readonly path: string;
  /** Digests; null where it was not there, or is gone. */
  readonly recorded: string | null;
  readonly found: string | null;
}

export interface StopState {
  /** At once, or after the step that was in progress. */
  readonly now: boolean;
  /** `RunState.step` when it was asked for. */
  readonly step: number;
}

export interface GroupRecord {
  readonly opened: GroupOpened;
  readonly closed: GroupClosed | undefined;
}

export interface StageState {
  readonly name: string;
  readonly index: number;
  /** 0, or how often the stage was entered before. */
  readonly round: number;
  /** What the facts of its kind add up to; undefined before the first. */
  readonly progress: unknown;
  /** `RunState.step` when it was entered. */
  readonly entryStep: number;
  readonly entryVersion: number;
  readonly steps: readonly StepSummary[];
  readonly training: TrainingTally;
  readonly evaluations: readonly Evaluation[];
  readonly finished: { readonly reason: string } | undefined;
  readonly gate: { readonly passed: boolean; readonly action: string; readonly reason: string } | undefined;
}

export interface StepSummary {
  readonly step: number;
  readonly version: number;
  /** Metrics that were NaN or infinite; they are not among `metrics`. */
  readonly notFinite: readonly string[];
  /** All of them in the newest step; of earlier ones, what later decisions and summaries ask of a step. */
  readonly metrics: Readonly<Record<string, number>>;
}

export interface Evaluation {
  readonly stage: string;
  readonly name: string;
  /** Policy version that was evaluated. */
  readonly version: number;
  /** Steps of its stage that were committed before. */
  readonly stageStep: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** Undefined where a model was evaluated that no step of the run has trained since. */
  readonly weights: TrainedWeights | undefined;
}

/** What a step of training left, as long as it is kept. */
export interface TrainedWeights {
  /** `RunState.step` that made them. */
  readonly step: number;
  /** `Branch.index` and the learner's own count of its steps. */
  readonly branch: number;
  readonly branchStep: number;
  /** Their location. */
  readonly path: string;
}

/**
 * A line of weights. A roll-back starts a new one from the policy that entered the failed stage; the learner then counts
 * its steps from 0 again, while steps and versions of the run only ever grow.
 */
export interface Branch {
  readonly index: number;
  readonly baseStep: number;
  readonly baseVersion: number;
}

/** The policy version that is current in a state: grows by one with every step and every roll-back. */
export function versionOf(state: RunState): number {
  return state.branch.baseVersion + (state.step - state.branch.baseStep);
}

/** Undefined where the current version is a model that a branch starts from. */
export function trainedWeights({ step, branch, weightsPath }: RunState): TrainedWeights | undefined {
  if (weightsPath === '') return undefined;
  return { step, branch: branch.index, branchStep: step - branch.baseStep, path: weightsPath };
}

/** Stage step whose batch is decided next: those before are trained, or wait for it. */
export function nextStageStep(state: RunState): number {
  return (currentStage(state)?.steps.length ?? 0) + state.formed.length;
}

/**
 * The policy is another one than the model that the run began with, and a model wrote it. Terms of the loss next to the reward, as of
 * entropy, give a gradient where rewards do not vary: such a step has learned nothing, and its weights moved.
 */
export function isTrained({ fleet }: Pick<Recipe, 'fleet'>, { stages, branch }: RunState): boolean {
  const moved = ({ steps }: StageState) => steps.some(({ metrics }) => metrics[gradientMetric] !== 0);
  return fleet.learner.kind !== 'scripted' && (branch.index > 0 || stages.some(moved));
}

/** Norm of a step's gradient, 0 where the learner applied none. */
export const gradientMetric = 'grad_norm';

const skippedMetric = 'train/updates_skipped';

/** The newest steps of a stage, in a row, of which no update had a finite gradient: each has the weights of the one before. */
export function skippedInARow({ steps }: Pick<StageState, 'steps'>): number {
  const isSkipped = ({ metrics }: StepSummary) => (metrics[skippedMetric] ?? 0) > 0 && metrics[gradientMetric] === 0;
  return steps.length - 1 - steps.findLastIndex((step) => !isSkipped(step));
}

/** A run as it is when it leaves the queue: as if it had been stopped there. */
export function withoutQueue(state: RunState): RunState {
  return state.queued === undefined ? state : { ...state, life: 'stopped', queued: undefined };
}

/** Throws `failed_precondition` where a run ended so that there is nothing to resume; `life` as its ledger or its summary has it. */
export function requireResumable(runId: string, life: string, message: string): void {
  if (life === 'finished')
    throw new TerminalError('failed_precondition', `run '${runId}' is finished; there is nothing to resume`);
  if (life === 'nothing_to_learn')
    throw new TerminalError('failed_precondition', `run '${runId}' is over, with nothing to learn: ${message}`);
}

/** 1 in a step's metrics, 0 where no advantage or no gradient was different from 0; absent in ledgers of earlier versions. */
export const learnedMetric = 'learned';

/** Steps of a stage that learned something. */
export function learnedSteps({ steps }: Pick<StageState, 'steps'>): number {
  return steps.filter(({ metrics }) => metrics[learnedMetric] !== 0).length;
}

export function artefactKey(stage: string, artefact: string): string {
  return `${stage}/${artefact}`;
}

export function currentStage(state: RunState): StageState | undefined {
  return state.stages.at(-1);
}

/** The state with a change of the stage that was entered last. */
export function withStage(state: RunState, change: Partial<StageState>): RunState {
  const last = currentStage(state);
  if (last === undefined) return state;
  return { ...state, stages: [...state.stages.slice(0, -1), { ...last, ...change }] };
}

export function newRunState(runId: string): RunState {
  return {
    runId,
    life: 'new',
    begun: false,
    queued: undefined,
    message: '',
    stop: undefined,
    recipeJson: '',
    recipeHash: '',
    seed: 0,
    directory: '',
    priority: 1,
    inputs: [],
    inputsAtMs: 0,
    acceptedChanges: [],
    stages: [],
    baseline: undefined,
    step: 0,
    branch: { index: 0, baseStep: 0, baseVersion: 0 },
    weightsPath: '',
    formed: [],
    replayable: [],
    checkpoints: [],
    checkpointPath: '',
    groups: new Map(),
    refusals: new Map(),
    artefacts: new Map(),
    damagedFiles: [],
    entries: 0,
    activeMs: 0,
    lastAtMs: 0,
  };
}
