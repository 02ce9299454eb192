import { execFileSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { needsRetrieval } from '#recipe/environment-part.ts';
import { locateInputs, locateRewardFiles } from '#recipe/resolve-recipe.ts';
import { loadConfig } from '#platform/runtime/config.ts';
import { planBase, planPolicy, planTop } from '../../services/fleet/fleet-plan.ts';
import type { PlannedService } from '../../services/fleet/planned-service.ts';
import { planScriptedJudges, withScriptedJudges } from '../../services/fleet/scripted-judges.ts';
import { pythonPath, pythonProgram, repositoryRoot } from '../../services/platform/repository.ts';
import { loadRecipe, type LoadedRecipe } from '../../services/cli/run/prepare-inputs.ts';
import { rewardProblems } from '../../services/cli/run/reward-inputs.ts';
import { planRun } from '../../services/cli/run/run-plan.ts';
import { serviceConfigs } from '../fixtures/service-configs.ts';

const recipes = [
  ...(await readdir(join(repositoryRoot, 'recipes')))
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => `recipes/${name}`),
  'policies/hasty/able.yaml',
  'policies/hasty/recipe.yaml',
  'policies/musique/recipe.yaml',
  'policies/nano/recipe.yaml',
];
const grpc = (port: number): string => `127.0.0.1:${port}`;

/** Every process that a run of the recipe starts. */
function processesOf({ recipe, file }: LoadedRecipe): PlannedService[] {
  const data = { train: '/d/train.jsonl', held_out: '/d/held_out.jsonl', corpus: '/d/corpus.jsonl' };
  const paths = {
    model: locateInputs(recipe, { file }).model ?? '/d/model',
    ...data,
    ...locateRewardFiles(recipe, file),
  };
  const judges = planScriptedJudges({ recipe, paths });
  const judged = withScriptedJudges({ recipe, paths }, new Map(judges.map(({ label }, at) => [label, grpc(at + 10)])));
  const engines = Array.from({ length: recipe.fleet.engines }, (_, at) => grpc(at + 100));
  return [
    ...judges,
    ...planBase(judged, ['/runs', paths.model]),
    planPolicy(judged, engines),
    ...planTop(judged, {
      natsUrl: 'nats://127.0.0.1:4222',
      fleetId: 'f',
      policy: grpc(1),
      learner: grpc(2),
      retrieval: grpc(3),
      reward: grpc(4),
    }),
  ];
}

/** What the services' own parsers say of the flags; nothing where they take them. */
function refusalsOf(planned: readonly PlannedService[]): string[] {
  const refusals: string[] = [];
  const inPython: (readonly [string, readonly string[]])[] = [];
  for (const { label, service, program = service, args } of planned) {
    const schema = serviceConfigs[program];
    if (schema === undefined) inPython.push([program, args]);
    else
      try {
        loadConfig(schema, { argv: args, env: {} });
      } catch (thrown) {
        refusals.push(`${label}: ${String(thrown)}`);
      }
  }
  const answer = execFileSync(pythonProgram, [join(repositoryRoot, 'tests/fixtures/parse_service_flags.py')], {
    env: { PYTHONPATH: pythonPath },
    input: JSON.stringify(inPython),
    encoding: 'utf8',
  });
  const problems: (string | null)[] = JSON.parse(answer);
  expect(problems).toHaveLength(inPython.length);
  return [
    ...refusals,
    ...problems.flatMap((problem, at) => (problem === null ? [] : [`${inPython[at]?.[0]}: ${problem}`])),
  ];
}

let loaded: LoadedRecipe[];
beforeAll(async () => {
  loaded = await Promise.all(recipes.map(async (name) => await loadRecipe(join(repositoryRoot, name))));
});

test('every service takes the flags that a run of any recipe passes to it', () => {
  expect(recipes.length).toBeGreaterThan(4);
  const planned = loaded.map((each) => ({ file: each.file, processes: processesOf(each) }));
  for (const { file, processes } of planned) {
    const roles = new Set(processes.map(({ service }) => service));
    expect(roles, file).toContain('coordinator');
    expect(roles, file).toContain('rollout');
  }
  expect(refusalsOf(planned.flatMap(({ processes }) => processes))).toEqual([]);
});

test('flags that a service does not take are found, in either language', () => {
  const searching = loaded.find(({ recipe }) => needsRetrieval(recipe) && recipe.fleet.learner.kind !== 'scripted');
  if (searching === undefined) throw new Error('there is no recipe with retrieval');
  const wrong = processesOf(searching)
    .filter(({ service }) => ['learner', 'retrieval'].includes(service))
    .map((planned) => ({ ...planned, args: [...planned.args, '--thread', '2'] }));
  const refusals = refusalsOf(wrong);
  expect(refusals).toHaveLength(2);
  expect(refusals[0]).toContain('retrieval: ');
  expect(refusals[1]).toMatch(/learner: .*did you mean .*threads/);
});

test('every recipe can be planned and names nothing outside of the repository', async () => {
  for (const each of loaded) {
    const { recipe, file } = each;
    expect(planRun(recipe).stages.length, file).toBeGreaterThan(0);
    expect(await rewardProblems(each, {}), file).toEqual([]);
    const { model, data } = locateInputs(recipe, { file });
    const named = [model, ...Object.values({ ...data.musique, ...data.files, ...data.rows })];
    for (const path of named) {
      if (typeof path !== 'string' || !path.startsWith('/')) continue;
      expect(relative(repositoryRoot, path), file).not.toMatch(/^\.\./);
    }
  }
});
