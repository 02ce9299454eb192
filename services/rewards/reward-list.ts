/** A scorer of a stage, as tasks carry it. */
export interface WeightedReward {
  readonly name: string;
  readonly weight: number;
  /** One JSON object with sorted keys; empty for a scorer without settings, or with none set. */
  readonly settingsJson: string;
}

/** The `rewards` of a parsed stage as a list, in the order of the schema. Scorers without settings are there at weight 0 too. */
export function rewardList(rewards: Readonly<Record<string, unknown>>): WeightedReward[] {
  const list: WeightedReward[] = [];
  for (const [name, value] of Object.entries(rewards)) {
    if (typeof value === 'number') {
      list.push({ name, weight: value, settingsJson: '' });
    } else if (isSettings(value)) {
      const { weight, ...settings } = value;
      const sorted = Object.fromEntries(Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1)));
      const settingsJson = Object.keys(sorted).length === 0 ? '' : JSON.stringify(sorted);
      list.push({ name, weight, settingsJson });
    }
  }
  return list;
}

/** Weights by name, for people and for sums. */
export function rewardWeights(rewards: Readonly<Record<string, unknown>>): Record<string, number> {
  return Object.fromEntries(rewardList(rewards).map(({ name, weight }) => [name, weight]));
}

function isSettings(value: unknown): value is { readonly weight: number } & Record<string, unknown> {
  return typeof value === 'object' && value !== null && 'weight' in value && typeof value.weight === 'number';
}
