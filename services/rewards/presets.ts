/** A reward as a recipe writes it: the weight, and settings next to it where the scorer has any. */
export type PresetReward = number | Readonly<Record<string, number | string | boolean>>;

/**
 * Reward sets of published projects by name. `preset: NAME` in a recipe stands for these keys; keys written next to it win.
 * What differs from the public code, and why, is in docs/rewards.md.
 */
export const presets = {
  /** Search-R1 (arXiv 2503.09516): exact match, nothing else. */
  search_r1: { exact_match: 1 },
  /** Search-R1 v0.3 (arXiv 2505.15117): exact match and structure as one table. */
  search_r1_structure: { answer_structure: { weight: 1 } },
  rl_factory: { rl_factory: { weight: 1 } },
  /** ReCall: F1, or 0.1 for a well-formed episode with a wrong answer. */
  recall: { f1_floor: { weight: 1 } },
  /** ReZero (arXiv 2504.11001), its judge replaced by exact match. */
  rezero: { exact_match: 1, format: 1, retry: { weight: 1 }, gold_found: { weight: 1, mode: 'any' } },
  /** Jan-nano's three stages with the public code's weights (arXiv 2506.22760), the rewards bounded. */
  jan_nano_tools: { exact_match: 1, tool_success: 0.5, format: 0.25, xml: 0.25 },
  jan_nano_answers: { exact_match: 1.5, format: 0.25, xml: 0.25 },
  jan_nano_context: { exact_match: 1, format: 0.1 },
} as const satisfies Record<string, Readonly<Record<string, PresetReward>>>;

export type PresetName = keyof typeof presets;
export const presetNames = Object.keys(presets).filter((name): name is PresetName => name in presets);

export function isPresetName(name: unknown): name is PresetName {
  return typeof name === 'string' && Object.hasOwn(presets, name);
}
