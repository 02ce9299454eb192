import { expect, it } from 'vitest';
import { environments } from '#environments/index.ts';
import { parseRecipe } from './parse-recipe.ts';

const recipeWith = (environment: string): string => `
name: one
model: { path: ./model }
data: { world: {} }
environment: ${environment}
stages:
  - { name: only, kind: eval, limits: { context_tokens: 100, max_new_tokens: 10 }, rewards: { exact_match: 1 } }
`;

it.each(environments.flatMap(({ name, options }) => Object.keys(options.shape).map((option) => ({ name, option }))))(
  'an option of $name that is written wrong is refused with the one that was meant: $option',
  ({ name, option }) => {
    const slip = `${option.slice(0, -1)}x${option.at(-1)}`;
    expect(() => parseRecipe(recipeWith(`{ name: ${name}, options: { ${slip}: 1 } }`), 'recipe.yaml')).toThrow(
      `environment.options.${slip}: unknown key; did you mean ${option}?`,
    );
  },
);

it('an environment that is written wrong is refused with the one that was meant', () => {
  expect(() => parseRecipe(recipeWith('{ name: serach }'), 'recipe.yaml')).toThrow(/did you mean search\?/);
});

it('P3: what an environment waits for within a turn is shorter than the turn', () => {
  const agent = (options: string): string => recipeWith(`{ name: agent, options: { ${options} } }`);
  const open = 'open: { key_env: KEY, wait_ms: 4000 }, sessions: { listen: "127.0.0.1:8090" }, rewards: [thumbs]';
  // A turn has 30 s, a tool 5 s.
  expect(() =>
    parseRecipe(agent('command: [a], start_timeout_ms: 29999, reward_timeout_ms: 29999'), 'r'),
  ).not.toThrow();
  expect(() => parseRecipe(agent(`${open}, start_timeout_ms: 25999, reward_timeout_ms: 24999`), 'r')).not.toThrow();
  // Each kind of agent is taken with its own defaults.
  for (const kind of [
    'command: [a]',
    'webhook: { url: "http://127.0.0.1:1" }',
    open.replace(', wait_ms: 4000', '').replace(', rewards: [thumbs]', ''),
  ])
    expect(() => parseRecipe(agent(kind), 'r')).not.toThrow();
  for (const [options, wait] of [
    ['command: [a], start_timeout_ms: 30000', 'environment.options.start_timeout_ms (30000)'],
    ['command: [a], reward_timeout_ms: 30000', 'environment.options.reward_timeout_ms (30000)'],
    [
      'webhook: { url: "http://127.0.0.1:1" }, start_timeout_ms: 15000',
      'environment.options.start_timeout_ms twice (30000)',
    ],
    [
      `${open}, start_timeout_ms: 26000, reward_timeout_ms: 1`,
      'environment.options.open.wait_ms and start_timeout_ms together (30000)',
    ],
    [
      `${open}, start_timeout_ms: 1000, reward_timeout_ms: 25000`,
      'limits.tool_timeout_ms and environment.options.reward_timeout_ms together (30000)',
    ],
  ] as const)
    expect(() => parseRecipe(agent(options), 'r')).toThrow(`limits.turn_timeout_ms: must be more than ${wait}`);
});

it('limits of the processes of a file belong to a file', () => {
  expect(() => parseRecipe(recipeWith('{ name: search, limits: { processes: 2 } }'), 'recipe.yaml')).toThrow(
    /environment\.limits: belongs to path/,
  );
});

it('an option that asks more of a service than its settings allow is refused with both and what to do', () => {
  const withReranker = (topK: number, candidates: number) =>
    `${recipeWith(`{ name: search, options: { top_k: ${topK} } }`)}retrieval: { reranker: { model: a/b, candidates: ${candidates} } }\n`;
  expect(() => parseRecipe(withReranker(20, 15), 'recipe.yaml')).toThrow(
    /environment\.options\.top_k: must be at most retrieval\.reranker\.candidates \(15\): .*; lower top_k, or raise candidates \(got 20\)/,
  );
  expect(parseRecipe(withReranker(15, 15), 'recipe.yaml').environment.options['top_k']).toBe(15);
});
