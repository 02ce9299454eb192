import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { fromBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { FinishReason, TrajectorySchema } from '#proto/trajectory/v1/trajectory_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import type { BatchSource } from '../kit/learner-batch.ts';
import { openRowFile } from '../kit/row-file.ts';
import { batchOfDpo } from './batch.ts';
import { dpo } from './index.ts';
import { parsePreferenceRow } from './row.ts';

const recipeOf = (more: string) =>
  parseRecipe(
    `
name: test
model: { path: m }
data: { world: {} }
environment: { name: search }
stages:
  - { name: preferred, kind: dpo, rows: { path: r }, batch: 4, until: { steps: 10 }, ${more} }
`,
    'test.yaml',
  );
const stageOf = (more: string) => {
  const stage = recipeOf(more).stages[0];
  if (stage?.kind !== 'dpo') throw new Error('no dpo stage');
  return stage;
};

async function rowsFile(lines: readonly string[]): Promise<string> {
  const path = join(await temporaryDirectory('gradus-dpo-'), 'rows.jsonl');
  await writeFile(path, lines.join('\n'));
  return path;
}

const pair = (prompt: string, chosen = 'yes', rejected = 'no') => JSON.stringify({ prompt, chosen, rejected });

const sourceOf = (path: string): BatchSource => ({
  seed: 3,
  file: () => path,
  trajectory: async () => new Uint8Array(),
  async *groupsOf() {},
  once: (_key, make) => make(),
  nothing: (message) => new TerminalError('failed_precondition', message),
});

describe('a row', () => {
  it.each([
    ['{"prompt":"1+2=","chosen":"3"}', 'f:7: rejected is missing; a row has prompt, chosen and rejected'],
    [pair('p', 'same', 'same'), 'f:7: chosen and rejected are the same text; remove the row'],
    [pair(' ', '', 'no'), 'f:7: prompt is empty; write the text, chosen is empty; write the text'],
    ['{"prompt":"p","chosen":[{"role":"assistant"}],"rejected":3}', 'chosen is a list; write messages as one text'],
    [
      '{"prompt":"p","chosen":null,"rejected":3}',
      'chosen is no text but null; write it in quotes, rejected is no text',
    ],
    ['[]', 'f:7: prompt is missing'],
    ['{', 'f:7: is not JSON'],
  ])('%s is refused with its place, column and what to do', (line, problem) => {
    expect(() => parsePreferenceRow(line, 'f:7')).toThrow(problem);
  });

  it('of a file that is none is told with all others', async () => {
    const path = await rowsFile([pair('a'), pair('b', 'x', 'x'), '', '{"prompt":"c"}']);
    const opened = openRowFile(path, parsePreferenceRow);
    await expect(opened).rejects.toThrow(`${path}:2: chosen and rejected are the same text`);
    await expect(opened).rejects.toThrow(`${path}:4: chosen is missing`);
  });

  it('that is longer than the context of the model is refused before the run, with its length', async () => {
    const directory = join(repositoryRoot, 'policies/nano');
    const [short, long] = ['Who founded it?', 'Who founded it? '.repeat(2000)];
    const path = await rowsFile([pair(short), pair(long), pair(short, 'yes', long)]);
    const checked = dpo.checkFiles?.(stageOf(''), { rows: path }, { directory, isFresh: true });
    await expect(checked).rejects.toThrow(
      /:2: prompt and chosen have \d+ tokens, the model takes \d+; shorten or remove/,
    );
    await expect(checked).rejects.toThrow(/:3: prompt and rejected have/);
    await dpo.checkFiles?.(stageOf(''), { rows: await rowsFile([pair(short)]) }, { directory, isFresh: true });
  });
});

describe('a batch', () => {
  const draw = async (step: number, path: string) => {
    const batch = await batchOfDpo(stageOf('beta: 0.3'), step, sourceOf(path));
    const samples = [];
    for await (const { trajectory, advantage, group } of batch.samples()) {
      const { segments } = fromBinary(TrajectorySchema, gunzipSync(trajectory ?? new Uint8Array()));
      samples.push({ advantage, group, texts: segments.map(({ text }) => text), end: segments.at(-1)?.finishReason });
    }
    expect(samples).toHaveLength(batch.count);
    return { batch, samples };
  };

  it('P8: has both answers of a pair under one number, and the same pairs whenever it is sent', async () => {
    const path = await rowsFile(Array.from({ length: 8 }, (_, index) => pair(`row ${index} `)));
    const { batch, samples } = await draw(0, path);
    expect(batch).toMatchObject({ setReference: true, last: false, objective: { name: 'preference' } });
    expect(batch.objective.options).toMatchObject({ beta: 0.3, loss_type: 'sigmoid', learning_rate: 1e-6 });
    const [first, second] = samples;
    const end = FinishReason.STOP;
    expect(first).toEqual({ advantage: 1, group: 0, texts: [first?.texts[0], 'yes'], end });
    expect(second).toEqual({ advantage: -1, group: 0, texts: [first?.texts[0], 'no'], end });
    expect((await draw(0, path)).samples).toEqual(samples);
    const later = await draw(1, path);
    expect(later.batch.setReference).toBe(false);
    const prompts = [...samples, ...later.samples]
      .filter(({ advantage }) => advantage === 1)
      .map(({ texts: [prompt = ''] }) => prompt);
    expect(prompts.toSorted()).toEqual(Array.from({ length: 8 }, (_, index) => `row ${index} `));
  });
});

describe('a dpo stage in a recipe', () => {
  it.each([
    ['loss_type: ipo, label_smoothing: 0.1', 'stages[0].label_smoothing: must be 0 with loss_type ipo'],
    ['warmup_steps: 10', 'stages[0].warmup_steps: must be less than until.steps (10)'],
    ['beta: 0', 'stages[0].beta'],
    ['gate: { metric: sampled.reward, at_least: 1 }', 'stages[0].gate: needs a stage with limits'],
  ])('%s is refused', (more, problem) => {
    expect(() => recipeOf(more)).toThrow(problem);
  });
});
