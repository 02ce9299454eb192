import { defaultEnvironment } from '#environments/index.ts';
import { environmentNamed } from '#environments/registry.ts';
import { rewardMetric } from '#rewards/metric-names.ts';

/**
 * The environment of an evaluation without a recipe, and what its rollouts are rewarded by: its primary metric, or, where that is the
 * reward, what its episodes give themselves. Its own scorers are recorded too. Where `isInstructed`, it describes to the model what it may
 * write. Throws TerminalError for a name that is unknown.
 */
export function evalEnvironment(
  name: string = defaultEnvironment.name,
  isInstructed = false,
): {
  readonly environment: { readonly name: string; readonly options: Readonly<Record<string, unknown>> };
  readonly rewards: Readonly<Record<string, number>>;
} {
  const { primaryMetric, rewards, instructed = {} } = environmentNamed(name);
  const weighed = primaryMetric === rewardMetric ? rewards : [primaryMetric];
  return {
    environment: { name, options: isInstructed ? instructed : {} },
    rewards: Object.fromEntries(weighed.map((each) => [each, 1])),
  };
}
