/** A summary of a run of one stage, for tests. */
export function exampleSummary() {
  const scores = (right: number, n: number, tool = 0.8, format = 0.9) => ({
    metrics: { exact_match: right, f1: right + 0.01, tool_success: tool, format, reward: right },
    n,
  });
  const mode = (
    right: number,
    low: number,
    high: number,
    byTag: Record<string, ReturnType<typeof scores>>,
    tool = 0.8,
    format = 0.9,
  ) => ({ ...scores(right, 200, tool, format), interval: { low, high }, environment: {}, overSamples: {}, byTag });
  const before = {
    version: 0,
    sampled: mode(0.29, 0.23, 0.357, { 'hops=2': scores(0.35, 136), 'hops=3': scores(0.16, 64) }),
    greedy: mode(0.5, 0.43, 0.57, {}),
  };
  const byTag = { 'hops=2': scores(0.48, 136, 0.95, 0.99), 'hops=3': scores(0.23, 64, 0.95, 0.99) };
  const after = {
    version: 2,
    sampled: mode(0.4, 0.334, 0.469, byTag, 0.95, 0.99),
    greedy: mode(0.51, 0.44, 0.578, {}, 0.95, 0.99),
  };
  return {
    run: 'demo-1',
    recipe: 'demo',
    seed: 1,
    policy: 'builtin',
    scriptedJudges: [],
    primaryMetric: 'exact_match',
    model: null,
    best: [],
    damagedFiles: [],
    wallSeconds: 120.5,
    state: 'finished',
    stages: [
      {
        name: 'tool-use',
        kind: 'rl',
        steps: 2,
        rollouts: 256,
        groups: 32,
        reward: [0.5, 0.62],
        detectors: { candidate_list: 0.125, giant_answer: 0.005 },
        warnings: [],
        components: { exact_match: [0.25, 0.375], preferred: [null, 0.5] },
        eval: { before: scores(0.29, 200), after: scores(0.4, 200, 0.95, 0.99) },
        contextTokens: 320,
        gate: null,
        evalDetail: { before, after },
      },
    ],
    baseline: { ...scores(0.29, 200), detail: before },
    rollouts: {
      published: 656,
      completed: 649,
      lost: 0,
      duplicated: 0,
      failedInfra: 4,
      failedUserCode: 1,
      failedData: 2,
      cancelled: 2,
    },
  };
}
