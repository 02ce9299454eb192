import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { readJson, startGradus } from './gradus-process.ts';
import { jsonLines } from '../fixtures/json-lines.ts';

const model = resolve(import.meta.dirname, '../../policies/nano');
const limits = `{ context_tokens: 512, max_turns: 4, max_new_tokens: 48, tool_timeout_ms: 5000, turn_timeout_ms: 30000, rollout_timeout_ms: 90000 }`;
/** A run that is to be stopped goes on for longer than a signal takes to be seen. */
const steps = 10;

const recipeOf = (inputs: Readonly<Record<'model' | 'rows' | 'corpus', string>>) => `
name: stored
seed: 5
model: { path: '${inputs.model}' }
data: { rows: { train: '${inputs.rows}', held_out: 6, corpus: '${inputs.corpus}' } }
environment: { name: search, options: { top_k: 2, preview_characters: 150, max_document_characters: 400 } }
fleet:
  workers: 1
  concurrency: 16
  engine: { kind: scripted, max_context: 512, max_running: 64 }
  learner: { kind: scripted }
  scripted: { turns: 2, right_probability: 0.5, step_ms: 1500 }
eval: { questions: 6, sampled: true, greedy: false }
stages:
  - name: one
    limits: ${limits}
    deadlines: { group_ms: 300000, step_ms: 600000 }
    rewards: { exact_match: 1 }
    batch: { groups: 2, group_size: 4, max_generation_batches: 4, on_short: smaller }
    algorithm: { dynamic_sampling: false, learning_rate: 1.0e-4 }
    until: { steps: ${steps} }
`;

/** A command that ends by itself: its exit code and all that it said. */
async function gradus(directory: string, ...args: readonly string[]): Promise<readonly [number | string, string]> {
  const command = startGradus(directory, ...args);
  const code = await command.exit(300_000);
  return [code, command.output()];
}

interface Put {
  readonly store: string;
  readonly recipe: string;
}

/** A store with a model, rows and a corpus, as three commands put them there, and the recipe that names them. */
async function putInputs(): Promise<Put> {
  const source = await temporaryDirectory('gradus-source-');
  const store = join(source, 'store');
  const houses = Array.from({ length: 24 }, (_, index) => index);
  await writeFile(
    join(source, 'rows.jsonl'),
    jsonLines(houses.map((at) => ({ id: `q${at}`, question: `Who owns house ${at}?`, answer: `owner ${at}` }))),
  );
  await writeFile(
    join(source, 'corpus.jsonl'),
    jsonLines(houses.map((at) => ({ id: `p${at}`, contents: `House ${at}\nHouse ${at} is of owner ${at}.` }))),
  );
  const put = async (path: string, ...more: string[]): Promise<string> => {
    const [code, said] = await gradus(source, 'artefact', 'put', path, '--store', store, ...more);
    expect(code, said).toBe(0);
    return said.split('\n')[0] ?? '';
  };
  const inputs = {
    model: await put(model),
    rows: await put('rows.jsonl', '--kind', 'data'),
    corpus: await put('corpus.jsonl'),
  };
  await rm(join(source, 'rows.jsonl'));
  return { store, recipe: recipeOf(inputs) };
}

test('P1, P9: a recipe alone in a folder takes its model, rows and corpus from a store, is refused without it, and a resumed run fetches again what it lost', async () => {
  const { store, recipe } = await putInputs();
  const directory = await temporaryDirectory('gradus-stored-');
  await writeFile(join(directory, 'stored.yaml'), recipe);

  for (const more of [['--dry-run'], []]) {
    const [code, said] = await gradus(directory, 'run', 'stored.yaml', ...more);
    expect(code, said).toBe(2);
    for (const field of ['model.path', 'data.rows.train', 'data.rows.corpus'])
      expect(said).toMatch(new RegExp(`${field}: artefact:[0-9a-f]{64}: is not in .*name the store that holds it`));
  }
  const [dry, plan] = await gradus(directory, 'run', 'stored.yaml', '--dry-run', '--store', store);
  expect(dry, plan).toBe(0);
  expect(plan).toContain('data.rows: 18 training questions, 6 held out');

  // What the dry run fetched is there, so no store is asked.
  const run = startGradus(directory, 'run', 'stored.yaml', '--run-id', 'one', '--no-samples');
  await run.says(/step 1\b/);
  run.process.kill('SIGINT');
  expect(await run.exit(), run.output()).toBe(130);
  const home = join(directory, 'runs');
  await rm(join(home, 'artefacts'), { recursive: true });

  const [refused, why] = await gradus(directory, 'resume', 'one');
  expect(refused, why).toBe(2);
  expect(why).toMatch(/data\.rows\.corpus: artefact:[0-9a-f]{64}: is not in .*name the store/);
  // The run's folder has the rows as they were prepared.
  expect(why).not.toContain('data.rows.train');
  const [code, said] = await gradus(directory, 'resume', 'one', '--store', store, '--no-samples');
  expect(code, said).toBe(0);
  expect(await readJson(join(home, 'one/summary.json'))).toMatchObject({
    state: 'finished',
    rollouts: { lost: 0, duplicated: 0, failedInfra: 0 },
  });
}, 600_000);

test('P9: a recipe of a store is submitted to the fleet that fetched its files, by a machine that has none of them', async () => {
  const { store, recipe } = await putInputs();
  const there = await temporaryDirectory('gradus-server-');
  const here = await temporaryDirectory('gradus-client-');
  for (const directory of [there, here]) await writeFile(join(directory, 'stored.yaml'), recipe);
  const up = startGradus(there, 'up', 'stored.yaml', '--store', store, '--set', 'fleet.scripted.step_ms=0');
  await up.says(/the fleet is up/);
  const { services } = (await readJson(join(there, 'runs/fleet.json'))) as {
    readonly services: readonly { readonly service: string; readonly grpc?: string }[];
  };
  const server = services.find(({ service }) => service === 'coordinator')?.grpc ?? '';
  const [code, said] = await gradus(here, 'run', 'stored.yaml', '--run-id', 'far', '--server', server);
  expect(code, said).toBe(0);
  // Nothing was fetched here, and the run next to the fleet is of the same recipe.
  expect(await readdir(here)).toEqual(['stored.yaml']);
  const [near, told] = await gradus(
    there,
    'run',
    'stored.yaml',
    '--run-id',
    'near',
    '--no-samples',
    '--set',
    'fleet.scripted.step_ms=0',
  );
  expect(near, told).toBe(0);
  const [one, other] = await Promise.all(
    ['far', 'near'].map(async (id) => await readJson(join(there, 'runs', id, 'recipe.json'))),
  );
  expect(Object(one).recipe).toEqual(Object(other).recipe);
  // Another name for the same bytes is another recipe: the server compares what is written.
  await mkdir(join(here, 'data'));
  await writeFile(
    join(here, 'other.yaml'),
    recipe.replace(/train: 'artefact:[0-9a-f]{64}'/, "train: 'data/rows.jsonl'"),
  );
  const [refused, why] = await gradus(here, 'submit', 'other.yaml', '--server', server);
  expect(refused, why).toBe(2);
  expect(why).toContain('data: is {"rows":');
  up.process.kill('SIGINT');
  expect(await up.exit(), up.output()).toBe(0);
}, 600_000);
