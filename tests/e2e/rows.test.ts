import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { readJson, readJsonLines, startGradus } from './gradus-process.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { jsonLines } from '../fixtures/json-lines.ts';

const model = resolve(import.meta.dirname, '../../policies/nano');
const limits = `{ context_tokens: 512, max_turns: 4, max_new_tokens: 48, tool_timeout_ms: 5000, turn_timeout_ms: 30000, rollout_timeout_ms: 90000 }`;

const recipe = `
name: choice
seed: 5
model: { path: ${JSON.stringify(model)} }
data: { rows: { train: questions.jsonl, held_out: 6, corpus: corpus.jsonl } }
environment: { name: search, options: { top_k: 2, preview_characters: 150, max_document_characters: 400 } }
fleet:
  workers: 1
  concurrency: 16
  engine: { kind: scripted, max_context: 512, max_running: 64 }
  learner: { kind: scripted }
  scripted: { turns: 3, right_probability: 0.5 }
eval: { questions: 6, sampled: true, greedy: false }
stages:
  - name: one
    limits: ${limits}
    deadlines: { group_ms: 300000, step_ms: 600000 }
    rewards: { exact_match: 0, choice: { weight: 1, options: 4 } }
    batch: { groups: 4, group_size: 8, max_generation_batches: 4, on_short: smaller }
    algorithm: { dynamic_sampling: false, learning_rate: 1.0e-4 }
    until: { steps: 2 }
`;

const colours = ['red', 'green', 'blue', 'grey'];

test('P1: a run trains on multiple choice questions, scored by letter, and accounts for every rollout', async () => {
  const directory = await temporaryDirectory('gradus-rows-e2e-');
  const options = colours.map((colour, index) => `${'ABCD'.charAt(index)}) ${colour}`).join(' ');
  const questions = Array.from({ length: 24 }, (_, index) => ({
    id: `q${index}`,
    question: `Which colour has house ${index}? ${options}`,
    answer: 'ABCD'.charAt(index % 4),
    support_titles: [`House ${index}`],
    difficulty: 'easy',
  }));
  const pages = questions.map(({ support_titles: [title] }, index) => ({
    id: `p${index}`,
    contents: `${title}\n${title} is ${colours[index % 4]}.`,
  }));
  await writeFile(join(directory, 'questions.jsonl'), jsonLines(questions));
  await writeFile(join(directory, 'corpus.jsonl'), jsonLines(pages));
  await writeFile(join(directory, 'choice.yaml'), recipe);

  const run = startGradus(directory, 'run', 'choice.yaml', '--run-id', 'choice');
  expect(await run.exit(), run.output()).toBe(0);
  expect(run.output()).toContain('questions.jsonl: keys that are not read: difficulty');
  const home = join(directory, 'runs', 'choice');
  expect(await readJson(join(home, 'summary.json'))).toMatchObject({
    state: 'finished',
    rollouts: { lost: 0, duplicated: 0, failedInfra: 0, completed: 2 * 4 * 8 + 2 * 6 },
  });
  const steps = (await readJsonLines(join(home, 'metrics.jsonl'))).filter(({ kind }) => kind === 'step');
  expect(steps).toHaveLength(2);
  // Half of the letters are right and a fourth of the others by chance: a letter is read, and not every one is right.
  for (const step of steps) {
    expect(step['reward/choice']).toBeGreaterThan(0.2);
    expect(step['reward/choice']).toBeLessThan(1);
  }
});
