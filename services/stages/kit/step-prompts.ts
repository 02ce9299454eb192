import type { Row } from '#proto/rollout/v1/task_pb.ts';

/** What decides the prompts of a step. */
export interface StepPromptsRequest {
  /** Of the stage and its round: seeds the draws. */
  readonly label: string;
  /** Of the recipe. */
  readonly seed: number;
  readonly stageStep: number;
  /** Those that the stage takes its prompts from. */
  readonly rows: readonly Row[];
  /** What the kind's facts add up to. */
  readonly progress: unknown;
  /** Of the environment: a component, or `reward`. */
  readonly primaryMetric: string;
}

/** A row that is asked, and the name of its draw, which is part of its tasks' ids. */
export interface Draw {
  readonly row: Row;
  readonly name: string;
}

/** A group that a step asked, as it was closed. */
export interface AskedGroup {
  readonly row: Row;
  /** Its rewards vary: there is something to learn. */
  readonly isKept: boolean;
  /** By sample that came back: absent ones have none (P2). Empty for a group that was given up on purpose, which says nothing of its row. */
  readonly components: readonly Readonly<Record<string, number>>[];
}

/** What the groups of a step teach of the rows that they asked. */
export interface Learned {
  /** For the step's line in metrics.jsonl. */
  readonly metrics: Readonly<Record<string, number>>;
  /** For `StageContext.record`, where `progress` is what the stage's facts add up to so far. */
  facts(progress: unknown): readonly unknown[];
}

/** The prompts of one step of training. */
export interface StepPrompts {
  /** Draws 0..groups-1 are the step's own; the ones after replace groups that carry no signal. Pure (P8). */
  at(draw: number): Draw | undefined;
  learned(groups: readonly AskedGroup[]): Learned;
}
