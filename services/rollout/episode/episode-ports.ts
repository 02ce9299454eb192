import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GenerateRequestSchema, GenerateResponse } from '#proto/policy/v1/policy_pb.ts';
import type { FinishReason } from '#proto/trajectory/v1/trajectory_pb.ts';
import type { GradusError } from '#platform/errors.ts';
import type { InfrastructureClass } from './infrastructure-failure.ts';
import type { RetryBudget } from './retry-in-place.ts';
import type { RolloutWaits } from './rollout-waits.ts';
import type { TokenSource } from './token-source.ts';

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
    callRetried(failure: InfrastructureClass, error: GradusError): void;
    tokensDiffer(taskId: string, turn: number): void;
  };
}
