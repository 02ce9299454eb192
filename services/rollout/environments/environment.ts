import type { Turn } from '#proto/reward/v1/reward_pb.ts';
import type { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import type { Question } from '#proto/rollout/v1/task_pb.ts';
import type { FinishReason } from '#proto/trajectory/v1/trajectory_pb.ts';

/** A task that a policy acts in by text. One environment serves any number of concurrent episodes. */
export interface Environment {
  readonly name: string;
  /** A turn ends at one of these; the string stays in the turn. */
  readonly stop: readonly string[];
  start(question: EpisodeQuestion): Episode;
}

/** What an episode may know of its question; never the answers. */
export type EpisodeQuestion = Pick<Question, 'question'>;

/**
 * One rollout's conversation. `step` is called once per model turn until it returns `done`:
 *
 *     acting --step: continue--> acting --step: done--> over
 */
export interface Episode {
  /** The first text of the sequence. */
  prompt(): string;
  /**
   * Understands a turn, runs its tool, and says what follows. Throws `TransientError` when a tool's infrastructure
   * failed or took longer than `toolTimeoutMs` (the same step may be tried again), `CancelledError` when `signal` aborted.
   */
  step(turn: ModelTurn, io: StepIo): Promise<StepOutcome>;
  /** The turns so far, as the reward service wants them. */
  turns(): readonly Turn[];
}

export interface ModelTurn {
  /** Exactly what the policy wrote, stop string included. */
  readonly text: string;
  readonly finishReason: FinishReason;
}

export interface StepIo {
  readonly signal: AbortSignal;
  readonly toolTimeoutMs: number;
}

export type StepOutcome =
  | { readonly kind: 'continue'; readonly environmentText: string }
  /** `failure` is a data class: behaviour of the policy. */
  | { readonly kind: 'done'; readonly prediction?: string; readonly failure?: FailureClass };
