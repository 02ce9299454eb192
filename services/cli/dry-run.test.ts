import { cp, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { repositoryRoot } from '#platform/repository.ts';
import { gradus, temporary } from './program-under-test.ts';
import { startScriptedEndpoint } from '../../tests/fakes/scripted-endpoint.ts';

test('a recipe that does not exist is one sentence that names it', async () => {
  const { code, err } = await gradus('run', 'nowhere.yaml', '--dry-run');
  expect(code).toBe(2);
  expect(err.trim()).toBe(
    'gradus: recipe nowhere.yaml does not exist; give the path of a YAML file, for example recipes/demo.yaml',
  );
});

test('a wrong key in a recipe is printed with its line, path and the key that was meant', async () => {
  const file = join(await temporary(), 'recipe.yaml');
  const demo = await readFile(join(repositoryRoot, 'recipes/demo.yaml'), 'utf8');
  await writeFile(file, demo.replace('environment: { name: search', 'environment: { nam: search'));
  const { code, err } = await gradus('run', file, '--dry-run');
  expect(code).toBe(2);
  expect(err).toMatch(new RegExp(`${file}:\\d+: environment.nam: unknown key; did you mean name\\?`));
});

test('errors are JSON on stdout when JSON is asked for', async () => {
  const { code, out } = await gradus('run', 'nowhere.yaml', '--dry-run', '--json');
  expect(code).toBe(2);
  expect(JSON.parse(out)).toMatchObject({ error: { code: 'invalid_argument' } });
});

test('values of a recipe are replaced from the command line, and a path that is none is refused with what was meant', async () => {
  const set = (...settings: readonly string[]) => settings.flatMap((setting) => ['--set', setting]);
  const { code, out } = await gradus(
    'run',
    'recipes/demo.yaml',
    '--dry-run',
    '--json',
    ...set('stages.0.until.steps=3', 'stages.1.batch={ groups: 2, group_size: 4 }'),
  );
  expect(code).toBe(0);
  expect(JSON.parse(out).stages).toMatchObject([{ steps: 3 }, { groups: 2, group_size: 4 }, {}]);
  const refused = await gradus('run', 'recipes/demo.yaml', '--dry-run', '--json', ...set('stages.0.until.step=3'));
  expect(JSON.parse(refused.out).error.message).toContain('unknown key; did you mean steps?');
  expect(refused.code).toBe(2);
});

test('every recipe in the repository passes a dry run', async () => {
  for (const name of ['demo', 'musique-nano', 'jan-nano']) {
    const { code, out } = await gradus('run', `recipes/${name}.yaml`, '--dry-run', '--json');
    expect(code, name).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ recipe: name, stages: [{}, {}, {}] });
  }
});

test('recipes above an endpoint pass a dry run where one answers', async () => {
  await using server = await startScriptedEndpoint(() => 'Hello');
  for (const name of ['overthinking', 'harnesses/react', 'harnesses/code-agent']) {
    const endpoint = ['--set', `model.endpoint.base_url=${server.baseUrl}`];
    const { code, out } = await gradus('run', `recipes/${name}.yaml`, '--dry-run', '--json', ...endpoint);
    expect(code, out).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ stages: [{ kind: 'eval' }] });
  }
});

test('a dry run reads the rows of a recipe, counts them, and names file and line of one that no scorer can read', async () => {
  const folder = await temporary();
  const recipe = join(folder, 'choice.yaml');
  const rows = join(folder, 'rows.jsonl');
  const demo = await readFile(join(repositoryRoot, 'recipes/demo.yaml'), 'utf8');
  await writeFile(
    recipe,
    demo
      .replace('../policies', join(repositoryRoot, 'policies'))
      .replace(/world: \{[^}]*\}/, 'rows: { train: rows.jsonl, held_out: 1, corpus: corpus.jsonl }')
      .replaceAll(/ *prompts: .*\n/g, '')
      .replaceAll(/exact_match: [\d.]+/g, 'exact_match: 0, choice: { weight: 1, options: 4 }'),
  );
  await writeFile(join(folder, 'corpus.jsonl'), '{"id": "p", "text": "Which"}\n');
  const row = (id: string, answer: unknown) => JSON.stringify({ id, question: 'Which? A) x B) y', answer, level: 3 });
  await writeFile(rows, `${row('1', 'A')}\n${row('2', 'B')}\n${row('3', 'x')}\n`);
  const { code, out, err } = await gradus('run', recipe, '--dry-run', '--json');
  expect(code, err).toBe(0);
  expect(JSON.parse(out).notes).toEqual([
    `${rows}: keys that are not read: level`,
    'data.rows: 2 training questions, 1 held out',
  ]);
  await writeFile(
    recipe,
    (await readFile(recipe, 'utf8')).replace('until:', 'prompts: { where: { hpos: [2] } }\n    until:'),
  );
  const tagless = await gradus('run', recipe, '--dry-run', '--json');
  expect(tagless.code, tagless.err).toBe(2);
  expect(JSON.parse(tagless.out).problems).toEqual([
    expect.stringMatching(
      /prompts\.where \{"hpos":\[2\]\} leaves none of the 3 rows; no row has a tag hpos: rows have no tags$/,
    ),
  ]);
  await writeFile(rows, `${row('1', 'A')}\n${row('2', ' ')}\n`);
  const refused = await gradus('run', recipe, '--dry-run', '--json');
  expect(refused.code).toBe(2);
  expect(JSON.parse(refused.out).problems).toEqual([
    expect.stringContaining(`${rows}:2: answer: " " is blank; fill it in, or remove the row`),
  ]);
});

test('a dry run says which weights were cut and which corpus ends within a line', async () => {
  const folder = await temporary();
  await cp(join(repositoryRoot, 'policies/nano'), join(folder, 'model'), { recursive: true });
  const weights = join(folder, 'model/model.safetensors');
  await truncate(weights, (await stat(weights)).size - 1);
  for (const name of ['train', 'held_out']) await writeFile(join(folder, `${name}.jsonl`), '{"id": 1}\n');
  await writeFile(join(folder, 'corpus.jsonl'), '{"id": 1, "text": "one"}\n{"id": 2, "te');
  const demo = await readFile(join(repositoryRoot, 'recipes/demo.yaml'), 'utf8');
  await writeFile(
    join(folder, 'r.yaml'),
    demo
      .replace('../policies/nano', 'model')
      .replace(/world: \{[^}]*\}/, 'files: { train: train.jsonl, held_out: held_out.jsonl, corpus: corpus.jsonl }'),
  );
  const { code, out, err } = await gradus('run', join(folder, 'r.yaml'), '--dry-run', '--json');
  expect(code, err).toBe(2);
  expect(JSON.parse(out).problems).toEqual([
    expect.stringMatching(/^model\.path: .*model\.safetensors: has \d+ bytes, .*; it was cut: copy it anew$/),
    expect.stringMatching(/train\.jsonl:1: id: /),
    expect.stringMatching(/^data: .*corpus\.jsonl:2: not valid JSON/),
  ]);
});

test('a recipe that is not UTF-8 is refused by its name', async () => {
  const recipe = join(await temporary(), 'r.yaml');
  await writeFile(recipe, Buffer.from('name: são', 'latin1'));
  const { code, err } = await gradus('run', recipe, '--dry-run');
  expect(code).toBe(2);
  expect(err).toBe(`gradus: ${recipe}: not valid UTF-8; save the file as UTF-8\n`);
});

test.each([
  ['demo', 'tags of a world', 2000],
  ['musique-nano', "tags of rows in MuSiQue's schema", 199],
])('P9: a dry run of %s compares the %s with what stages ask for', async (name, _, count) => {
  const asked = ['--set', 'stages.0.prompts.where.hopz=[2]'];
  const curriculum = 'stages.1.prompts={ sampling: { kind: curriculum, tag: hoops } }';
  const { code, out } = await gradus(
    'run',
    `recipes/${name}.yaml`,
    '--dry-run',
    '--json',
    ...asked,
    '--set',
    curriculum,
  );
  expect(code).toBe(2);
  expect(JSON.parse(out).problems).toEqual([
    expect.stringContaining(`leaves none of the ${count} rows`),
    `stage answer-quality: prompts.sampling.tag: none of its ${count} rows has a tag hoops; rows have hops`,
  ]);
});

test("P9: a dry run names the first row without a column that the environment's prompt shows, and the column that was meant", async () => {
  const prompt = 'environment.options.prompt_template="{questoin} {tools}"';
  const { code, out } = await gradus('run', 'recipes/tools-demo.yaml', '--dry-run', '--json', '--set', prompt);
  expect(code).toBe(2);
  expect(JSON.parse(out).problems).toEqual([
    expect.stringMatching(
      /questions\.jsonl:1: row .*: data\.questoin: is a column that environment\.options read; did you mean question\?$/,
    ),
  ]);
});

test('P9: a dry run refuses an architecture that neither learner nor engine has, and says which there are', async () => {
  const folder = await temporary();
  await cp(join(repositoryRoot, 'policies/nano'), join(folder, 'model'), { recursive: true });
  const config = JSON.parse(await readFile(join(folder, 'model/config.json'), 'utf8'));
  await writeFile(join(folder, 'model/config.json'), JSON.stringify({ ...config, model_type: 'gpt_bigcode' }));
  const model = `model.path=${join(folder, 'model')}`;
  const { code, out } = await gradus('run', 'recipes/demo.yaml', '--dry-run', '--json', '--set', model);
  expect(code).toBe(2);
  expect(JSON.parse(out).problems).toEqual([
    expect.stringMatching(/^model\.path: .*config\.json: model_type is 'gpt_bigcode'; supported: .*qwen3/),
  ]);
});

test('P9: a dry run names a tokenizer and weights of other models, both at once, and loads nothing', async () => {
  const folder = await temporary();
  await cp(join(repositoryRoot, 'policies/nano'), join(folder, 'model'), { recursive: true });
  const config = JSON.parse(await readFile(join(folder, 'model/config.json'), 'utf8'));
  await writeFile(join(folder, 'model/config.json'), JSON.stringify({ ...config, vocab_size: 1590, eos_token_id: 1 }));
  const model = `model.path=${join(folder, 'model')}`;
  const { code, out } = await gradus('run', 'recipes/demo.yaml', '--dry-run', '--json', '--set', model);
  expect(code).toBe(2);
  expect(JSON.parse(out).problems).toEqual([
    expect.stringMatching(/^model\.path: .*tokenizer\.json has \d+ tokens, but config\.json says vocab_size 1590; /),
    expect.stringMatching(
      /model\.safetensors: model\.embed_tokens\.weight has shape \(1600, 128\), config\.json says \(1590, 128\); .* take both/,
    ),
  ]);
});
