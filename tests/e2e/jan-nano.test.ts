import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { readJson, readJsonLines, startGradus, startGradusBy } from './gradus-process.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const root = resolve(import.meta.dirname, '../..');
const python = join(root, '.venv/bin/python');

/** The repository's recipe, and stand-ins where it looks for its model, its questions and, in the hub's cache, its search models. */
async function workplace(): Promise<string> {
  const directory = await temporaryDirectory('gradus-jan-nano-');
  await promisify(execFile)(python, [join(root, 'tests/fixtures/qwen3-shape/build.py'), directory], {
    env: { ...process.env, PYTHONPATH: join(root, 'services/learner'), OMP_NUM_THREADS: '1' },
  });
  await mkdir(join(directory, 'recipes'));
  await mkdir(join(directory, 'data'));
  await cp(join(root, 'recipes/jan-nano.yaml'), join(directory, 'recipes/jan-nano.yaml'));
  await cp(join(root, 'data/musique/questions.jsonl'), join(directory, 'data/musique_ans_v1.0_train.jsonl'));
  return directory;
}

const limits = (contextTokens: number) =>
  `{ context_tokens: ${contextTokens}, max_turns: 3, max_new_tokens: 48, tool_timeout_ms: 30000, turn_timeout_ms: 180000, rollout_timeout_ms: 900000 }`;

/** Everything else is as the recipe has it. A policy of these sizes passes no gate of quality. */
const sizes = [
  'data.musique.held_out=12',
  'fleet.workers=1',
  'fleet.engines=1',
  'fleet.concurrency=32',
  'fleet.max_open_rollouts=64',
  'fleet.engine={ max_context: 2048, max_running: 32, cache_mebibytes: 256, threads: 1, device: cpu }',
  'fleet.learner={ threads: 1, micro_batch_tokens: 8192, device: cpu }',
  'eval.questions=4',
  ...['tool-use', 'answer-quality', 'context-extension'].flatMap((stage, index) => [
    `stages.${stage}.limits=${limits(index < 2 ? 1536 : 2048)}`,
    `stages.${stage}.batch={ groups: 2, group_size: 4, max_generation_batches: 6, on_short: smaller }`,
    `stages.${stage}.algorithm.updates_per_epoch=2`,
    `stages.${stage}.until={ steps: 2 }`,
  ]),
  'stages.context-extension.composition.overlong={ max_tokens: 1280, buffer_tokens: 256, factor: 1.0 }',
  'stages.tool-use.gate.at_least=0',
];

test('P4: jan-nano runs, each stage two steps: sharded weights, the chat template of the model, dense search with a reranker', async () => {
  const directory = await workplace();
  const model = join(directory, 'models/qwen3-4b');
  const shards = (await readdir(model)).filter((name) => name.endsWith('.safetensors'));
  expect(shards.length).toBeGreaterThan(2);
  const set = sizes.flatMap((setting) => ['--set', setting]);
  const offline = ['env', `HF_HUB_CACHE=${join(directory, 'hub')}`, 'HF_HUB_OFFLINE=1'];
  const run = startGradusBy(offline, directory, 'run', 'recipes/jan-nano.yaml', '--run-id', 'jan', ...set);
  expect(await run.exit(800_000), run.output()).toBe(0);

  const home = join(directory, 'runs/jan');
  expect(await readJson(join(home, 'summary.json'))).toMatchObject({
    state: 'finished',
    rollouts: { lost: 0, duplicated: 0 },
  });
  const recipe = await readJson(join(home, 'recipe.json'));
  expect(recipe).toMatchObject({ set: sizes, recipe: { retrieval: { method: 'dense' } } });
  const steps = (await readJsonLines(join(home, 'metrics.jsonl'))).filter(({ kind }) => kind === 'step');
  expect(steps).toHaveLength(6);

  // Retrieval does not start without them; words alone are never searched in their place.
  const log = await readFile(join(home, 'logs/retrieval.log'), 'utf8');
  expect(log).toContain('intfloat/e5-base-v2');
  expect(log).toContain('cross-encoder/ms-marco-MiniLM-L12-v2');

  const look = async (...args: readonly string[]): Promise<string> => {
    const looked = startGradus(directory, 'rollout', ...args);
    expect(await looked.exit(), looked.output()).toBe(0);
    return looked.output();
  };
  const rollouts = (await look('list', '--run', 'jan', '--limit', '0', '--json'))
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line): { rollout: string; turns: number; components: Record<string, number> } => JSON.parse(line));
  const called = rollouts.find(({ turns, components }) => turns > 1 && (components['tool_success'] ?? 0) > 0);
  const transcript = (await look('show', called?.rollout ?? '')).replaceAll(/^[ +] /gm, '');
  const opening = '<|im_start|>assistant\n<think>\n\n</think>\n\n';
  expect(transcript).toContain('-- prompt');
  expect(transcript).toContain('as short as possible. /no_think<|im_end|>\n<|im_start|>user\n');
  expect(transcript).toContain(`<|im_end|>\n${opening}`);
  expect(transcript).toMatch(/<\|im_end\|>\n<\|im_start\|>user\n<result> \[p\d+\]/);
});
