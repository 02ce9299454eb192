/** What an evaluation without a recipe is given where its options say nothing. */
export interface EvalDefaults {
  readonly contextTokens: number;
  readonly maxNewTokens: number;
  readonly maxTurns: number;
  /** Nobody trained the model for its environment: that has to describe what it may write. */
  readonly isInstructed: boolean;
  readonly engine: Readonly<Record<string, number>>;
  readonly limits: Readonly<Record<string, number>>;
  readonly stage: Readonly<Record<string, unknown>>;
}

const second = 1_000;

const defaults = {
  // A small policy of ours knows its prompts.
  directory: {
    contextTokens: 640,
    maxNewTokens: 48,
    maxTurns: 10,
    isInstructed: false,
    engine: {},
    limits: {},
    stage: {},
  },
  endpoint: {
    contextTokens: 16_384,
    maxNewTokens: 1_024,
    maxTurns: 10,
    isInstructed: true,
    engine: { max_running: 16 },
    limits: { turn_timeout_ms: 120 * second, rollout_timeout_ms: 900 * second },
    // A worker calls again in place, and its task is delivered again: that is enough of asking.
    stage: { deadlines: { group_ms: 3_600 * second }, groups: { attempts: 1 } },
  },
} as const satisfies Readonly<Record<string, EvalDefaults>>;

export function defaultsFor(policy: keyof typeof defaults): EvalDefaults {
  return defaults[policy];
}
