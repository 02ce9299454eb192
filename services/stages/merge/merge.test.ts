import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { digestOf, weightsDigest } from '#weights/manifest.ts';
import { kindNamed } from '../kit/kinds.ts';
import type { StageContext } from '../kit/stage-context.ts';
import { checkMergeFiles } from './check-files.ts';
import { writeMean } from './mean.ts';
import { mergeModels } from './merge-models.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { config, readNumbers, tokenizer, writeModel, writeTensors } from './models-under-test.ts';
import type { TestTensors } from './models-under-test.ts';
import { readOutline } from './outline.ts';
import { mergeSchema } from './schema.ts';

const never = new AbortController().signal;
const stageOf = (models: readonly object[]) => mergeSchema.parse({ name: 'soup', kind: 'merge', models });
const recipeOf = (stage: string) =>
  parseRecipe(
    `
name: test
model: { path: m }
data: { world: {} }
environment: { name: search }
stages:
  - { name: taught, kind: sft, rows: { path: r }, until: { steps: 1 } }
  - { name: out, kind: export }
  - { name: soup, kind: merge, ${stage} }
`,
    'test.yaml',
  );

async function meanOf(models: readonly { readonly weight: number; readonly tensors: TestTensors }[]) {
  const directory = await temporaryDirectory();
  const averaged = [];
  for (const [index, { weight, tensors }] of models.entries()) {
    const path = join(directory, `m${index}.safetensors`);
    await writeTensors(path, tensors);
    averaged.push({ name: `m${index}`, weight, tensors: (await readOutline(path, path)).tensors });
  }
  const to = join(directory, 'mean.safetensors');
  await writeMean(averaged, to, never);
  return await readNumbers(to);
}

describe('the mean of models', () => {
  it('is the weighted mean of every number', async () => {
    const tensors = (values: readonly number[]): TestTensors => ({ a: { dtype: 'F32', shape: [3], values } });
    const mean = await meanOf([
      { weight: 1, tensors: tensors([1, 2, -3]) },
      { weight: 3, tensors: tensors([5, -2, 1]) },
    ]);
    // (1 + 15) / 4, (2 - 6) / 4, (-3 + 3) / 4
    expect(mean).toEqual({ a: { dtype: 'F32', shape: [3], values: [4, -1, 0] } });
    const away = await meanOf([
      { weight: 2, tensors: tensors([1, 2, -3]) },
      { weight: -1, tensors: tensors([5, -2, 1]) },
    ]);
    expect(away['a']?.values).toEqual([-3, 6, -7]);
  });

  it('is written in the type that holds all, each tensor at a multiple of its numbers', async () => {
    const mean = await meanOf([
      {
        weight: 1,
        tensors: {
          half: { dtype: 'BF16', shape: [1], values: [1] },
          mixed: { dtype: 'BF16', shape: [1, 1], values: [2] },
          wide: { dtype: 'F32', shape: [1], values: [1.5] },
        },
      },
      {
        weight: 1,
        tensors: {
          wide: { dtype: 'BF16', shape: [1], values: [0.5] },
          mixed: { dtype: 'F16', shape: [1, 1], values: [3] },
          half: { dtype: 'BF16', shape: [1], values: [3] },
        },
      },
    ]);
    expect(mean).toEqual({
      half: { dtype: 'BF16', shape: [1], values: [2] },
      mixed: { dtype: 'F32', shape: [1, 1], values: [2.5] },
      wide: { dtype: 'F32', shape: [1], values: [1] },
    });
    expect(Object.keys(mean).at(-1)).toBe('half');
  });

  it('P6: of more numbers than a piece holds has every one of them', async () => {
    const size = 150_001;
    const values = (of: (index: number) => number) => Array.from({ length: size }, (_, index) => of(index));
    const model = (of: (index: number) => number): TestTensors => ({
      a: { dtype: 'F32', shape: [size], values: values(of) },
    });
    const mean = await meanOf([
      { weight: 1, tensors: model((index) => index) },
      { weight: 1, tensors: model((index) => -index + 2) },
    ]);
    expect(mean['a']?.values.every((value) => value === 1)).toBe(true);
    expect(mean['a']?.values).toHaveLength(size);
  });

  it('is refused for a number that is not finite, before or after it is made narrow', async () => {
    const model = (dtype: 'F32' | 'F16', value: number): TestTensors => ({ a: { dtype, shape: [1], values: [value] } });
    await expect(
      meanOf([
        { weight: 1, tensors: model('F32', 1) },
        { weight: 1, tensors: model('F32', NaN) },
      ]),
    ).rejects.toThrow('m1: tensor a holds NaN');
    await expect(
      meanOf([
        { weight: 2, tensors: model('F16', 65504) },
        { weight: -1, tensors: model('F16', -65504) },
      ]),
    ).rejects.toThrow('the mean of tensor a holds 196512, which is not a number of F16');
  });
});

describe('models that are merged', () => {
  const square: TestTensors = { a: { dtype: 'F32', shape: [2, 1], values: [1, 2] } };
  const other: TestTensors = { b: { dtype: 'F32', shape: [1], values: [4] } };

  it('may lie in one file or in shards, and their digests are recorded', async () => {
    const directory = await temporaryDirectory();
    const model = await writeModel(join(directory, 'model'), { 'model.safetensors': { ...square, ...other } });
    const shards = await writeModel(join(directory, 'shards'), {
      'model-00001-of-00002.safetensors': { a: { dtype: 'F32', shape: [2, 1], values: [3, 6] } },
      'model-00002-of-00002.safetensors': { b: { dtype: 'F32', shape: [1], values: [0] } },
    });
    const file = join(directory, 'alone.safetensors');
    await copyFile(join(model, 'model.safetensors'), file);
    const to = join(directory, 'to');
    await mkdir(to);
    const written: string[] = [];
    const context: Partial<StageContext> = {
      signal: never,
      policyDirectory: async () => model,
      modelDirectory: model,
      file: (name) => (name === 'models/1' ? shards : file),
      take: async (stage) => (stage === 'taught' ? model : expect.fail(stage)),
      write: async (name, parts) => String(written.push(name, ...parts)),
    };
    const stage = stageOf([{ stage: 'taught' }, { path: 'shards', weight: 2 }, { path: 'alone.safetensors' }]);
    const merged = await mergeModels(context as StageContext, stage, to);
    expect((await readNumbers(to))['a']?.values).toEqual([2, 4]);
    expect((await readNumbers(to))['b']?.values).toEqual([2]);
    expect(merged.models.map(({ of, weight }) => [of, weight])).toEqual([
      ['stage taught', 1],
      [shards, 2],
      [file, 1],
    ]);
    const whole = digestOf(await readFile(file));
    expect(merged.models[0]?.digest).toBe(weightsDigest({ 'model.safetensors': whole }));
    expect(merged.models[2]?.digest).toBe(whole.sha256);
    expect(JSON.parse(written[1] ?? '')).toEqual(merged);
  });

  it('that differ are refused before anything starts, with every difference of all of them', async () => {
    const directory = await temporaryDirectory();
    const model = await writeModel(join(directory, 'model'), { 'model.safetensors': { ...square, ...other } });
    const wider = await writeModel(
      join(directory, 'wider'),
      {
        'model.safetensors': {
          a: { dtype: 'F32', shape: [3, 1], values: [1, 2, 3] },
          c: { dtype: 'I64', shape: [1], values: [7] },
        },
      },
      {
        config: { ...config, hidden_size: 3, dtype: 'bfloat16' },
        tokenizer: { ...tokenizer, model: { vocab: { a: 0, c: 1 }, merges: [['a', 'b']] } },
      },
    );
    const absent = join(directory, 'absent');
    const stage = stageOf([{ path: 'wider' }, { path: 'absent' }, { path: 'model' }]);
    const paths = { 'models/0': wider, 'models/1': absent, 'models/2': model };
    const problems = [
      'config.json: hidden_size is 3, of the policy it is 2',
      'tokenizer.json: model.vocab is not that of the policy',
      'tensor b is missing',
      'tensor c is none of the policy',
      'tensor a has shape [3, 1], in the policy [2, 1]',
      'tensor c is of I64; F64, F32, F16 and BF16 can be averaged',
    ];
    await expect(checkMergeFiles(stage, paths, { directory: model, isFresh: false })).rejects.toThrow(
      [
        ...problems.map((problem) => `models[0].path: ${wider}: ${problem}`),
        `models[1].path: ${absent}: there is no such file; check the path`,
      ].join('; '),
    );
    // Fresh weights are not there yet: config and tokenizer are.
    await expect(
      checkMergeFiles(stageOf([{ path: 'wider' }]), { 'models/0': wider }, { directory: model, isFresh: true }),
    ).rejects.toThrow(/hidden_size is 3.*model\.vocab is not.*tensor c is of I64/);
  });
});

describe('a merge stage in a recipe', () => {
  it.each([
    ['models: []', 'stages[2].models'],
    [
      'models: [{ stage: out }]',
      'stages[2].models[0].stage: is not an earlier stage that leaves weights; there are: taught',
    ],
    ['models: [{ stage: soup }]', 'stages[2].models[0].stage: is not an earlier stage that leaves weights'],
    ['models: [{ stage: taught, weight: .nan }]', 'stages[2].models[0].weight: must be a finite number'],
    ['models: [{ stage: taught, weight: .inf }]', 'stages[2].models[0].weight: must be a finite number'],
    ['models: [{ stage: taught, weight: 0 }]', 'is 0: leave the model out'],
    [
      'models: [{ stage: taught, weight: 0.3 }, { path: a, weight: -0.1 }, { path: b, weight: -0.2 }]',
      'stages[2].models: have weights that add up to 0',
    ],
    ['models: [{ file: a }]', 'stages[2].models[0].file: unknown key'],
    ['models: [{ weight: 2 }]', 'stages[2].models[0]: needs exactly one of stage and path'],
  ])('%s is refused', (text, problem) => {
    expect(() => recipeOf(text)).toThrow(problem);
  });

  it('merges once, and evaluates what came of it', () => {
    const recipe = recipeOf('models: [{ stage: taught, weight: 0.5 }, { path: a }]');
    const [, , stage] = recipe.stages;
    if (stage?.kind !== 'merge') throw new Error('no merge stage');
    expect(stage.models.map(({ weight }) => weight)).toEqual([0.5, 1]);
    const kind = kindNamed('merge');
    const view = { steps: [], evaluations: [], waiting: 0, progress: undefined };
    expect(kind.next(stage, view, recipe)).toMatchObject({ kind: 'act' });
    const progress = kind.fold?.(undefined, { models: [], digest: 'd' });
    expect(kind.next(stage, { ...view, progress }, recipe)).toEqual({ kind: 'finish', reason: 'merged' });
    expect([kind.changesPolicy, kind.needsLearner]).toEqual([true, false]);
  });
});
