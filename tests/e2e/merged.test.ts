import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { readNumbers } from '../../services/stages/merge/models-under-test.ts';
import { docBlocks } from '../fixtures/doc-blocks.ts';
import { readJson, readJsonLines, startGradus, tinyWorkplace } from './gradus-process.ts';

const limits = `{ context_tokens: 128, max_turns: 3, max_new_tokens: 8, tool_timeout_ms: 5000, turn_timeout_ms: 30000, rollout_timeout_ms: 60000 }`;
const learns = `
    limits: ${limits}
    rewards: { exact_match: 1, format: 0.25, xml: 0.25, odd: 0.25 }
    batch: { groups: 2, group_size: 4 }`;

/** The merge of one model alone begins anew from it: both `rl` stages start from the same weights. */
const recipe = `
name: merged
seed: 11
model: { path: ./model }
data: { world: { seed: 3, train: 60, held_out: 20 } }
environment: { name: search, options: { top_k: 2, preview_characters: 150, max_document_characters: 400 } }
fleet:
  concurrency: 16
  engine: { max_context: 160, max_running: 64, cache_mebibytes: 64, threads: 1 }
  learner: { threads: 1, micro_batch_tokens: 2048 }
scorers: { odd: { kind: typescript, path: odd.ts } }
eval: { questions: 4, sampled: true, greedy: false }
stages:
  - name: calm${learns}
    algorithm: { dynamic_sampling: false, learning_rate: 1.0e-4 }
    until: { steps: 1 }
  - { name: anew, kind: merge, models: [{ path: ./model }] }
  - name: bold${learns}
    algorithm: { dynamic_sampling: false, learning_rate: 1.0e-3 }
    until: { steps: 2 }
  - { name: soup, kind: merge, models: [{ stage: calm }, { stage: bold, weight: 3 }] }
  - name: asked
    kind: eval
    limits: ${limits}
    rewards: { exact_match: 1 }
    prompts: { of: train, limit: 6 }
    samples: 2
  - name: chosen
    kind: own
    path: curate.ts
    options: { from: asked, between: [0, 1] }
    takes: [{ stage: asked, artefact: rows }]
`;

it('a run of the command line merges what two rl stages learnt from one start, evaluates it, and plays a stage kind of a file', async () => {
  const directory = await tinyWorkplace();
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  await writeFile(join(directory, 'merged.yaml'), recipe);
  await writeFile(join(directory, 'curate.ts'), docBlocks('how-to/own-stage-kind.md').get('curate.ts') ?? '');

  const run = startGradus(directory, 'run', 'merged.yaml', '--run-id', 'merged');
  expect(await run.exit(), run.output()).toBe(0);
  const home = join(directory, 'runs/merged');
  expect(await readJson(join(home, 'summary.json'))).toMatchObject({
    state: 'finished',
    model: join(home, 'final'),
    stages: [
      { name: 'calm', steps: 1 },
      { name: 'anew', finished: 'merged' },
      { name: 'bold', steps: 2 },
      { name: 'soup', finished: 'merged', eval: { before: { n: 4 }, after: { n: 4 } } },
      { name: 'asked', finished: 'evaluated' },
      { name: 'chosen', finished: 'curated' },
    ],
    rollouts: { lost: 0, duplicated: 0, failedInfra: 0 },
  });
  const [start, calm, bold, final] = await Promise.all(
    [
      join(directory, 'model'),
      ...['stages/calm/weights', 'stages/bold/weights', 'final'].map((path) => join(home, path)),
    ].map(readNumbers),
  );
  const names = Object.keys(start ?? {});
  expect(names.length).toBeGreaterThan(0);
  expect(Object.keys(final ?? {}).toSorted()).toEqual(names.toSorted());
  for (const name of names) {
    const mean = calm?.[name]?.values.map((value, index) => (value + 3 * Number(bold?.[name]?.values[index])) / 4);
    final?.[name]?.values.forEach((value, index) => expect(value).toBeCloseTo(Number(mean?.[index]), 5));
  }
  expect(await readJsonLines(join(home, 'stages/chosen/rows.jsonl'))).toHaveLength(6);
});
