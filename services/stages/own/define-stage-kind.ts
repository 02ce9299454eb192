/** What a file with a kind of stage imports: `import { defineStageKind, z } from 'gradus/stage'`. */
import { z } from 'zod';
import type { ActionEnd } from '../kit/stage-kind.ts';
import type { StageContext } from '../kit/stage-context.ts';

export { z };
export type { ArtefactRow } from '../kit/artefacts.ts';
export type { Played, PlayedRow, PlayedSample, PlayRequest } from '../kit/stage-context.ts';

/** What a kind of a user's own may do. Training steps are not among it: their batches are made again after any kill, also by others. */
export type OwnStageContext = Pick<
  StageContext,
  | 'seed'
  | 'signal'
  | 'take'
  | 'leaveRows'
  | 'play'
  | 'replacePolicy'
  | 'policyDirectory'
  | 'modelDirectory'
  | 'exportModel'
  | 'record'
  | 'write'
>;

export interface OwnStageView<Options, Progress> {
  readonly name: string;
  readonly options: Options;
  /** What the facts so far add up to; undefined before the first. */
  readonly progress: Progress | undefined;
}

/** Undefined: `run` is called (again). `finish`: the stage is over; the reason is one word for people. */
export type OwnStageNext = { readonly finish: string } | undefined;

export interface OwnStageKind<Options extends z.ZodType = z.ZodType, Progress = unknown> {
  readonly options: Options;
  /** `progress` with one more fact that `record` or `replacePolicy` wrote. Pure. Without it progress is the last fact. */
  fold?(progress: Progress | undefined, fact: unknown): Progress;
  /** What follows from what the ledger says: pure, so that a resumed run decides the same. */
  next(view: OwnStageView<z.output<Options>, Progress>): OwnStageNext;
  /** Does a part of the stage and records it; it is called again after a kill in the middle. */
  run(context: OwnStageContext, view: OwnStageView<z.output<Options>, Progress>): Promise<ActionEnd | void>;
}

/** Gives back what it is given, typed. */
export function defineStageKind<Options extends z.ZodType, Progress = unknown>(
  kind: OwnStageKind<Options, Progress>,
): OwnStageKind<Options, Progress> {
  return kind;
}
