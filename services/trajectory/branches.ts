/**
 * Sequences of one rollout besides the first, which has the empty name: conversations that an agent began in the same episode. They are rewarded
 * and trained on with the rollout.
 */
export const mostBranches = 31;

/** Of the branch that began as the `number`-th, from 1. */
export function branchName(number: number): string {
  return `branch-${number}`;
}

/** Whether these are the names of a rollout's sequences in the order in which they began: the first, then its branches. */
export function areBranches(names: readonly string[]): boolean {
  return names.length <= mostBranches + 1 && names.every((name, at) => name === (at === 0 ? '' : branchName(at)));
}
