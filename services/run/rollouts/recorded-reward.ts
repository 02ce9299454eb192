import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import type { Composition } from '#proto/rollout/v1/composition_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { compose, withoutGroupwise, type CompositionStep } from '#rewards/compose.ts';

/** How the recorded components of a rollout become its reward. */
export interface ComposedReward {
  readonly steps: readonly CompositionStep[];
  /** Undefined where a component is absent that the composition reads. */
  readonly total: number | undefined;
}

/**
 * The composition over what was recorded: `result` has what the rollout got, `groupwise` what the comparison with its group gave, as
 * the ledger has it. Evaluations compare nothing.
 */
export function composeRecorded(
  composition: Composition,
  { purpose, components, detectors, modelTokens }: RolloutResult,
  groupwise: Readonly<Record<string, number>> = {},
): ComposedReward {
  const applied = purpose === Purpose.EVAL ? withoutGroupwise(composition) : composition;
  const values = { components: { ...components, ...groupwise }, detectors, modelTokens };
  const steps: CompositionStep[] = [];
  const total = compose(applied, values, (step) => steps.push(step));
  return { steps, total };
}
