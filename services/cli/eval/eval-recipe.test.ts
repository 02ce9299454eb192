import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { prepareInputs } from '../run/prepare-inputs.ts';
import { evalOfModel } from './eval-recipe.ts';

test.each([
  ['plain rows', 'gradus'],
  ['a published format', 'musique'],
  ['a table', 'simpleqa'],
] as const)('a file of %s that is missing is named by the option that gave it', async (_, format) => {
  const out = await mkdtemp(join(tmpdir(), 'gradus-eval-recipe-'));
  const data = join(out, 'absent');
  await expect(prepare({ out, data, format, model: 'policies/nano', corpus: import.meta.filename })).rejects.toThrow(
    `--data: ${data}: there is no such file; check the path`,
  );
});

test('a corpus that the format needs is asked for by its option', async () => {
  const out = await mkdtemp(join(tmpdir(), 'gradus-eval-recipe-'));
  await expect(prepare({ out, data: join(out, 'rows'), format: 'gradus', model: 'policies/nano' })).rejects.toThrow(
    /^--corpus: is missing; rows of format gradus/,
  );
});

test('a model that is missing is named by its option', async () => {
  const out = await mkdtemp(join(tmpdir(), 'gradus-eval-recipe-'));
  const data = join(out, 'rows.jsonl');
  await writeFile(data, '{"id":"1","question":"Who?","answer":"x"}\n');
  const model = join(out, 'absent');
  await expect(prepare({ out, data, format: 'gradus', model, corpus: data })).rejects.toThrow(
    `--model: ${model} is not a model directory`,
  );
});

async function prepare(
  given: Pick<Parameters<typeof evalOfModel>[0], 'out' | 'data' | 'format' | 'model' | 'corpus'>,
): Promise<unknown> {
  const loaded = await evalOfModel({
    samples: 1,
    greedy: false,
    seed: 1,
    maxTurns: 2,
    set: [],
    json: false,
    ...given,
  });
  return await prepareInputs(loaded, join(given.out, 'run'));
}
