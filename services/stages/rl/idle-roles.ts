import { idleRoles } from '#rewards/metric-names.ts';
import type { StageView } from '../kit/stage-kind.ts';

/** Roles that a stage trains and that had nothing to learn from in most of its steps (P9). */
export function idleRoleWarnings(steps: StageView['steps']): string[] {
  const idle = steps.filter(({ metrics }) => (metrics[idleRoles] ?? 0) > 0).length;
  if (idle * 2 <= steps.length) return [];
  return [
    `in ${idle} of ${steps.length} steps the batch had nothing of a role that is trained: it did not speak, or its rewards did not vary within a group; see role/NAME/sequences and role/NAME/frac_reward_zero_std in metrics.jsonl, then change its rewards, or train: false`,
  ];
}
