import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GenerateRequestSchema, GenerateResponse } from '#proto/policy/v1/policy_pb.ts';
import type { FinishReason } from '#proto/trajectory/v1/trajectory_pb.ts';
import type { GradusError } from '#platform/errors.ts';
import type { InfrastructureClass } from './infrastructure-failure.ts';
import type { RetryBudget } from './retry-in-place.ts';
import type { TokenSource } from './token-source.ts';
import type { Watchdog } from '#platform/async/watchdog.ts';

/** What an episode needs of the rest of the worker. */
export interface EpisodePorts {
  generate(
    request: MessageInitShape<typeof GenerateRequestSchema>,
    options: { readonly signal: AbortSignal; readonly timeoutMs: number },
  ): Promise<GenerateResponse>;
  readonly tokens: TokenSource;
  readonly retries: RetryBudget;
  readonly waits: RolloutWaits;
  readonly events: {
    turnEnded(finishReason: FinishReason, tokens: number, elapsedMs: number): void;
    /** The environment has answered a turn, with its tools. */
    environmentStepped(elapsedMs: number): void;
    readonly toolEnded: (tool: string, elapsedMs: number) => void;
    /** Nobody waited for it any more. */
    turnAbandoned(taskId: string, turn: number): void;
    callRetried(failure: InfrastructureClass, error: GradusError): void;
    tokensDiffer(taskId: string, turn: number): void;
  };
}

/** What a rollout can wait for. A label of a metric, so the set is closed. */
export const rolloutWaits = [
  'policy.tokenize',
  'policy.generate',
  'tool',
  'reward.score',
  'publish.trajectory',
  'publish.result',
] as const;

export type RolloutWait = (typeof rolloutWaits)[number];

export type RolloutWaits = Pick<Watchdog<RolloutWait>, 'begin'>;

/** A wait is overdue when half of its deadline is gone: early enough to be looked at while it hangs. */
export function overdueAfter(deadlineMs: number): number {
  return deadlineMs / 2;
}
