import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { inputFiles, isLoaded } from './input-files.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const paths = {
  model: '/m',
  train: '/d/train.jsonl',
  held_out: '/d/held-out.jsonl',
  corpus: '/d/corpus.jsonl',
  scorers: { house: '/s/reward.py' },
};

test.each([
  'train',
  'held_out',
  'corpus',
  'model/config.json',
  'model/tokenizer.json',
  'model/tokenizer_config.json',
  'model/chat_template.jinja',
  'model/model-00001-of-00002.safetensors',
  'model/model.safetensors.index.json',
  'scorers/house/reward.py',
])('%s is loaded by its name', (name) => expect(isLoaded(name, paths)).toBe(true));

test.each(['model/notes.json', 'scorers/house/helpers.py', 'scorers/other/reward.py'])(
  '%s only lies next to what is loaded',
  (name) => expect(isLoaded(name, paths)).toBe(false),
);

test('a stage stands on a file, or on the files of a model in a directory', async () => {
  const directory = await temporaryDirectory('gradus-inputs-');
  const model = join(directory, 'other');
  await mkdir(model);
  for (const name of ['config.json', 'model-00001-of-00001.safetensors', 'README.md'])
    await writeFile(join(model, name), '');
  const rows = join(directory, 'rows.jsonl');
  await writeFile(rows, '');
  const files = await inputFiles({
    ...paths,
    model: '/absent',
    stages: { 'soup/models/0': model, 'taught/rows': rows },
  });
  expect(files.filter(({ name }) => name.startsWith('stages/'))).toEqual([
    { name: 'stages/soup/models/0/config.json', path: join(model, 'config.json') },
    {
      name: 'stages/soup/models/0/model-00001-of-00001.safetensors',
      path: join(model, 'model-00001-of-00001.safetensors'),
    },
    { name: 'stages/taught/rows', path: rows },
  ]);
});
