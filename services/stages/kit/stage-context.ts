import type { ArtefactRow } from './artefacts.ts';
import type { RolloutStage } from './fields.ts';
import type { TrainingStage } from './training-fields.ts';

/**
 * Gather the batches of the stage's steps before `before` that are not decided yet; several at a time when the recipe allows
 * staleness. Training on what is decided goes on next to it. 0: gather nothing more, only train.
 */
export interface Gather {
  readonly before: number;
}

/** What the coordinator does for a stage. */
export interface StageContext {
  /** Of the recipe. */
  readonly seed: number;
  /** Of the environment: a component, or `reward`. */
  readonly primaryMetric: string;
  /**
   * Gathers groups of rollouts and trains on them side by side, as the stage's `next` allows: its action is a `Gather`. `nothing_to_learn`: no batch had anything to
   * learn from. `stopped`: the step in progress was the last one before a stop.
   */
  trainOnRollouts(stage: TrainingStage): Promise<'drained' | 'nothing_to_learn' | 'stopped'>;
  /**
   * Decides the batch of a stage step, trains on it (`StageKind.batch`), loads the new version everywhere and commits the step. After a
   * kill it goes on where it was (P1).
   */
  trainBatch(stageStep: number): Promise<void>;
  /** Plays rows with the policy as it is. Called again after a kill it asks only for what is missing (P1). */
  play(request: PlayRequest): Promise<Played>;
  /** Copies the policy as it is to `exports/NAME` in the run's directory, as transformers loads it. Gives the absolute path. */
  exportModel(name: string): Promise<string>;
  /**
   * Puts another policy in the place of the present one. `write` gets an empty directory for config.json and the weights, the tokenizer is
   * put next to them, and what it gives is a fact as `record` takes it. Whole or not at all: after a kill before the fact `write` is called
   * again (P1). The learner begins anew from it, with a fresh optimiser.
   */
  replacePolicy(write: (directory: string) => Promise<unknown>): Promise<void>;
  /** The directory of the policy as it is: config.json and weights. */
  policyDirectory(): Promise<string>;
  /** The directory of the model that the run began with: tokenizer and chat template. */
  readonly modelDirectory: string;
  /** A file or directory that the stage names (`StageKind.files`), absolute. */
  file(name: string): string;
  /** Aborted when the run is stopped now, or another coordinator leads it. */
  readonly signal: AbortSignal;
  /** Writes a fact of the kind's own to the ledger: JSON, which `fold` of the kind gets. */
  record(fact: unknown): Promise<void>;
  /** Leaves rows for later stages (`StageKind.leaves`), in the place of those that the stage left before. */
  leaveRows(rows: Iterable<ArtefactRow>): Promise<void>;
  /**
   * What an earlier stage left, as `uses` of the kind says: the absolute path of a directory of weights, or of a file of rows. Throws
   * TerminalError for one that is not what was left.
   */
  take(stage: string, artefact: 'weights' | 'rows'): Promise<string>;
  /** Writes a file of the stage, whole or not at all: `stages/STAGE/NAME` in the run's directory. Gives its absolute path. */
  write(name: string, parts: Iterable<string>): Promise<string>;
}

export interface PlayRequest {
  /** With whose limits and scorers. */
  readonly stage: RolloutStage;
  /** Name of the evaluation in the ledger; part of the ids of its tasks. */
  readonly name: string;
  readonly rows: 'held_out' | 'train' | 'all';
  /** Most rows, the first of a seeded order; undefined is all. */
  readonly limit: number | undefined;
  readonly samples: number;
  /** Draw as the stage says, or the likeliest tokens. */
  readonly mode: 'train' | 'greedy';
  readonly groupMs: number;
  readonly deadlineMs: number;
  readonly attempts: number;
}

export interface Played {
  /** In the order in which they were drawn. */
  readonly played: readonly PlayedRow[];
  /** Writes the evaluation into the ledger, with further metrics of the kind's own; its rollouts are over then. */
  finish(metrics: Readonly<Record<string, number>>): Promise<void>;
}

export interface PlayedRow extends ArtefactRow {
  readonly samples: readonly PlayedSample[];
}

export interface PlayedSample {
  /** Its id: `gradus rollout show`. */
  readonly rollout: string;
  /** Components and `reward`, as far as they are there; empty for one that is absent (P2). */
  readonly values: Readonly<Record<string, number>>;
  /** What a judge of three grades said, by scorer. */
  readonly grades: Readonly<Record<string, string>>;
  /** Components that judges and scorers of the user's own did not give, by name. */
  readonly unscored: Readonly<Record<string, { readonly reason: string; readonly detail: string }>>;
  /** What the environment reported of it, by its names. */
  readonly environment: Readonly<Record<string, number>>;
  readonly prediction: string | undefined;
  /** How it ended where it gave no answer: behaviour of the policy. */
  readonly failure: string | undefined;
  /** Why it is not there: the class of the last failure of infrastructure, or `deadline`. */
  readonly absent: string | undefined;
  /** What was said of that failure; may be empty. */
  readonly absentDetail: string;
  readonly truncated: boolean;
  readonly turns: number;
  readonly toolCalls: number;
  readonly modelTokens: number;
  /** The policy gave text, neither token ids nor log-probabilities: `modelTokens` is an estimate. */
  readonly textOnly: boolean;
}
