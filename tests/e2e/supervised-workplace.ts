import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { jsonLines } from '../fixtures/json-lines.ts';

const nano = resolve(import.meta.dirname, '../../policies/nano');

export interface Taught {
  readonly prompt: string;
  readonly response: string;
}

export interface SupervisedWorkplace {
  readonly questions: readonly string[];
  readonly taught: readonly Taught[];
  /** In YAML, beside `threads`. */
  readonly learner: string;
  readonly warmupSteps: number;
  readonly steps: number;
  /** In YAML; by default fresh weights of the shape of policies/nano. */
  readonly model?: string;
  /** In YAML: what comes after the supervised stage and the export. */
  readonly stages?: string;
}

/** A folder with `teach.yaml` and what it names: a model without weights, rows that teach one, and questions that Ann answers. */
export async function supervisedWorkplace(options: SupervisedWorkplace): Promise<string> {
  const {
    questions,
    taught,
    learner,
    warmupSteps,
    steps,
    stages = '',
    model = '{ path: model, weights: random }',
  } = options;
  const directory = await temporaryDirectory('gradus-supervised-');
  await mkdir(join(directory, 'model'));
  for (const file of ['config.json', 'tokenizer.json']) await cp(join(nano, file), join(directory, 'model', file));
  await writeFile(join(directory, 'rows.jsonl'), jsonLines(taught));
  await writeFile(
    join(directory, 'questions.jsonl'),
    jsonLines(questions.map((question, index) => ({ id: `q${index}`, question, answer: 'Ann' }))),
  );
  await writeFile(join(directory, 'corpus.jsonl'), jsonLines([{ id: 'p0', contents: 'Ann\nAnn founded it.' }]));
  await writeFile(
    join(directory, 'teach.yaml'),
    `
name: teach
seed: 1
model: ${model}
data: { rows: { format: gradus, train: questions.jsonl, held_out: 4, corpus: corpus.jsonl } }
environment: { name: search }
eval: { questions: 4, greedy: true, sampled: false }
fleet: { engine: { max_context: 160, threads: 1, cache_mebibytes: 64 }, learner: { threads: 1${learner} } }
stages:
  - { name: teach, kind: sft, rows: { path: rows.jsonl }, batch: 16, learning_rate: 3.0e-3, warmup_steps: ${warmupSteps}, until: { steps: ${steps} } }
  - { name: out, kind: export }
${stages}`,
  );
  return directory;
}
