import { areBranches } from '#trajectory/branches.ts';
import { inspect } from 'node:util';
import type { Environment, EnvironmentDefinition, StepOutcome } from '#environments/kit/environment.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { environmentMetricsProblem } from '#rewards/environment-metrics.ts';
import { UserCodeFailure } from './user-code-failure.ts';

/** What of an environment a rollout needs. */
export interface EnvironmentInPlay {
  readonly definition: Pick<EnvironmentDefinition, 'name' | 'rewards' | 'roles' | 'branches'>;
  readonly environment: Environment;
}

export type DoneOutcome = Extract<StepOutcome, { readonly kind: 'done' }>;

/** Throws UserCodeFailure for what no step may give: an environment in a file of its own has no compiler to report it. */
export function checkOutcome({ definition }: EnvironmentInPlay, outcome: StepOutcome): void {
  const fail = (problem: string): never => {
    throw new UserCodeFailure(FailureClass.USER_ENVIRONMENT, `environment ${definition.name}, step: ${problem}`);
  };
  const given: unknown = outcome;
  const { kind } = Object(given) as { readonly kind?: unknown };
  if (kind !== 'continue' && kind !== 'done')
    fail(
      `it gave ${inspect(given, { depth: 0 }).slice(0, 100)}; give { kind: 'continue', text } or { kind: 'done', … }`,
    );
  if (outcome.kind === 'continue') return;
  const { rewards = {}, metrics = {} } = outcome;
  for (const [name, value] of Object.entries(rewards)) {
    if (!definition.rewards.includes(name))
      fail(`rewards.${name}: the definition's \`rewards\` do not have it; name it there`);
    if (!(value >= 0 && value <= 1)) fail(`rewards.${name}: ${String(value)}; it must be 0 to 1`);
  }
  const problem = environmentMetricsProblem(metrics);
  if (problem !== undefined) fail(problem);
  if (outcome.failure !== undefined) return;
  const lacking = definition.rewards.filter((name) => !Object.hasOwn(rewards, name));
  if (lacking.length > 0)
    fail(`rewards: ${lacking.join(', ')} missing; an episode that ends by itself gives all of them`);
}

/**
 * Who writes the next turn: the role that the outcome names, or the one that wrote this turn; `spoken` are those that have a sequence, in their order. Throws UserCodeFailure for one that the definition
 * does not have, and for messages or a prompt where the role's sequence cannot take them.
 */
export function nextRole(
  { definition }: EnvironmentInPlay,
  outcome: Extract<StepOutcome, { readonly kind: 'continue' }>,
  speaking: string,
  spoken: readonly string[],
): string {
  const fail = (problem: string): never => {
    throw new UserCodeFailure(FailureClass.USER_ENVIRONMENT, `environment ${definition.name}, step: ${problem}`);
  };
  const { role = speaking } = outcome;
  const hasSpoken = spoken.includes(role);
  const isBranch = definition.branches === true && (hasSpoken || areBranches([...spoken, role]));
  if (outcome.role !== undefined && !definition.roles.includes(role) && !isBranch) {
    const known = definition.roles.length === 0 ? 'has none' : `has ${definition.roles.join(', ')}`;
    fail(`role: '${role}'; the definition's \`roles\` ${known}`);
  }
  if ('prompt' in outcome && hasSpoken) fail(`prompt: ${role} has spoken before; give text or messages`);
  if ('fork' in outcome && hasSpoken) fail(`fork: ${role} has spoken before; give messages alone`);
  if ('messages' in outcome && !('fork' in outcome) && !hasSpoken)
    fail(`messages: ${role} has not spoken before; give text, or messages within \`prompt\``);
  return role;
}

/** An episode that a limit or a fault of the policy ended has 0 of what it did not give: that is how it was played. */
export function givenRewards({ definition }: EnvironmentInPlay, outcome?: DoneOutcome): Record<string, number> {
  return Object.fromEntries(definition.rewards.map((name) => [name, outcome?.rewards?.[name] ?? 0]));
}
