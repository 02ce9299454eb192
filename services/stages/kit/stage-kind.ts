import type { z } from 'zod';
import type { RecipeIssue } from '#recipe/check-recipe.ts';
import type { Recipe } from '#recipe/schema.ts';
import type { Artefact, ArtefactUse } from './artefacts.ts';
import type { BatchSource, LearnerBatch, StoredSample } from './learner-batch.ts';
import type { StageContext } from './stage-context.ts';
import type { StepPrompts, StepPromptsRequest } from './step-prompts.ts';

/** A stage of a run as its ledger has it. */
export interface StageView {
  /** Steps that are committed. */
  readonly steps: readonly { readonly metrics: Readonly<Record<string, number>> }[];
  readonly evaluations: readonly { readonly name: string }[];
  /** Batches that are decided and not trained on yet: evaluations and the end of the stage wait for them. */
  readonly waiting: number;
  /** What the kind's own facts add up to. */
  readonly progress: unknown;
}

/** What the warnings of a stage go by; `finished` once it is over. */
export type WarnedStage = Pick<StageView, 'steps'> & { readonly finished?: { readonly reason: string } | undefined };

/** What a stage does next while it is not finished. */
export type StageNext<Action> =
  | { readonly kind: 'act'; readonly action: Action }
  /** Evaluate in the middle of the stage. */
  | { readonly kind: 'evaluate'; readonly name: string }
  /** `reason` is one word for people and summary.json. */
  | { readonly kind: 'finish'; readonly reason: string };

/** `finish`: nothing more can come of the stage. `stopped`: it came to rest because the run is asked to stop. */
export type ActionEnd = { readonly kind: 'done' | 'stopped' } | { readonly kind: 'finish'; readonly reason: string };

/** A batch that is decided, as the ledger has it. */
export interface FormedBatch {
  readonly stageStep: number;
  readonly samples: readonly (StoredSample &
    Part & {
      /** Sequences of roles, each with its own part; empty where the environment has no roles. */
      readonly roles: readonly (Part & { readonly role: string; readonly trained: boolean })[];
    })[];
  /** Samples of each group, in their order; empty where an earlier version formed the batch. */
  readonly groupSizes: readonly number[];
}

/** What is learnt of one sequence. */
interface Part {
  readonly advantage: number;
  readonly truncated: boolean;
}

/** The model that a run begins with. */
export interface RunModel {
  /** Absolute. */
  readonly directory: string;
  /** Its weights are made for the run, and not there yet. */
  readonly isFresh: boolean;
}

/** A row of the data set, as a kind sees it before a run. */
export interface StageRow {
  readonly id: string;
  readonly tags: Readonly<Record<string, string>>;
}

/** What a stage will do, counted before anything is started. */
/** Rows of the recipe's data. */
export interface RowCounts {
  readonly train: number;
  readonly heldOut: number;
}

export interface StageEstimate {
  readonly steps: number;
  /** Groups of a step, and samples of a group; 0 where the kind has none. */
  readonly groups: number;
  readonly groupSize: number;
  readonly rollouts: number;
  /** As many as there can be at most. */
  readonly mostRollouts: number;
}

/**
 * A kind of stage. The run around it enters the stage, evaluates before and after where the policy may change, checks the gate, and
 * between asks `next` what to do: pure, from what the ledger says, so that a resumed run decides the same (P8).
 */
export interface StageKind<Schema extends z.ZodObject = z.ZodObject, Action = unknown> {
  readonly kind: string;
  readonly schema: Schema;
  /** Whether the policy may be another one after it. Without that the run does not evaluate before and after. */
  readonly changesPolicy: boolean;
  /** Whether it needs the learner; a recipe of which no stage does is run without one. */
  readonly needsLearner: boolean;
  /** Whether its loss looks at the policy that entered the stage, so that the learner holds a copy. */
  needsReference?(stage: z.output<Schema>): boolean;
  /** What later stages can take of it. `weights` is kept by the run where one does; `rows` are left by `StageContext.leaveRows`. */
  readonly leaves: readonly Artefact[];
  /** What it takes of earlier stages; the recipe is refused where none leaves that. */
  uses?(stage: z.output<Schema>): readonly ArtefactUse[];
  /** Earlier stage with whose evaluation its own is paired, row by row: that has the metrics `paired.better`, `paired.worse` and `paired.p` then. */
  against?(stage: z.output<Schema>): string | undefined;
  /** It reads neither weights, token ids nor log-probabilities, so that an endpoint may be the policy. */
  readonly textSuffices?: boolean;
  /** Rules between fields, beyond the schema. Paths begin at the stage. */
  check(stage: z.output<Schema>, recipe: Recipe): RecipeIssue[];
  /**
   * Where its rows come from, in the place of the training rows: one of its `files`, in the plain form, or what an earlier stage leaves. The
   * run reads them by the rules that the training rows have to pass.
   */
  ownRows?(stage: z.output<Schema>): { readonly file: string } | { readonly stage: string } | undefined;
  /** Rules between its fields and its rows; the training rows, or those of its own file, looked at before the run starts: each with the field, its value and what to do. */
  checkRows?(stage: z.output<Schema>, rows: readonly StageRow[]): readonly string[];
  /** `rows` where they were counted. */
  estimate(stage: z.output<Schema>, recipe: Recipe, rows?: RowCounts): StageEstimate;
  /** `progress` with one more of the facts that `StageContext.record` wrote; `undefined` before the first. Pure. */
  fold?(progress: unknown, fact: unknown): unknown;
  /**
   * Metrics of steps that it reads in `next` and `warnings`, next to those of every kind (rewards, detectors, counts of rollouts and groups,
   * `time/step`): of steps before the newest one a run remembers no others.
   */
  readonly remembers?: readonly string[];
  /** Only of kinds that train on rollouts: what a step asks. Pure, so that a resumed run asks the same (P8). */
  stepPrompts?(stage: z.output<Schema>, request: StepPromptsRequest): StepPrompts;
  /** How the newest step drew its prompts, for the summary; by names of the kind's own. */
  prompts?(view: Pick<StageView, 'steps'>): Readonly<Record<string, number>>;
  /** What people should know of a stage that is over or in progress, for the summary: what happened, and what to do (P9). */
  warnings?(stage: z.output<Schema>, view: WarnedStage): readonly string[];
  /** Only of kinds that form batches: steps in a row without a finite update, at which the run ends. */
  maxSkippedSteps?(stage: z.output<Schema>): number;
  next(stage: z.output<Schema>, view: StageView, recipe: Recipe): StageNext<Action>;
  /** Only of kinds that form batches. The same whenever a step is sent again, also in a later stage. */
  batch?(stage: z.output<Schema>, formed: FormedBatch, source: BatchSource): Promise<LearnerBatch>;
  /** Files and directories of models that the stage names, by what they are, as the recipe has them. */
  files?(stage: z.output<Schema>): Readonly<Record<string, string>>;
  /** What they hold, where they may lie in a store; without it they are read where they lie. */
  readonly filesHold?: 'rows' | 'weights';
  /** Reads them, absolute now, before anything starts; throws TerminalError with what is wrong. */
  checkFiles?(stage: z.output<Schema>, paths: Readonly<Record<string, string>>, model: RunModel): Promise<void>;
  /** Does what `next` said. Whatever it did is in the ledger when it returns; it is called again after a kill in the middle. */
  run(context: StageContext, stage: z.output<Schema>, action: Action): Promise<ActionEnd>;
}
