import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { customScorersSettings } from '#rewards/custom-scorer-settings.ts';
import { judgesSettings } from '#rewards/judge-settings.ts';
import { fleetKey } from './fleet-file.ts';
import { planBase, planGateways, planPolicy, planTop } from './fleet-plan.ts';
import { childEnvironment } from './service-programs.ts';
import type { PlannedService } from './planned-service.ts';

const paths = { model: '/m', train: '/t', held_out: '/h', corpus: '/c' };
const tiny = readFileSync(join(repositoryRoot, 'tests/e2e/tiny.yaml'), 'utf8');
const at = { natsUrl: 'n', fleetId: 'f', policy: 'p', learner: 'l', retrieval: 'r', reward: 'w' };

function plan(text: string) {
  const inputs = { recipe: parseRecipe(text, 'tiny.yaml'), paths };
  const worker = planTop(inputs, at).find(({ service }) => service === 'rollout');
  return { policy: planPolicy(inputs, ['e:1']), worker };
}

function flag(planned: PlannedService | undefined, name: string): string | undefined {
  const args = planned?.args ?? [];
  return args[args.indexOf(`--${name}`) + 1];
}

test('P3: the services of a fleet let a turn and a tool take as long as the recipe allows', () => {
  const long = tiny
    .replaceAll('tool_timeout_ms: 5000', 'tool_timeout_ms: 90000')
    .replaceAll('turn_timeout_ms: 30000', 'turn_timeout_ms: 600000')
    .replaceAll('rollout_timeout_ms: 60000', 'rollout_timeout_ms: 900000')
    .replaceAll(
      'deadlines: { group_ms: 120000, step_ms: 180000 }',
      'deadlines: { group_ms: 1000000, step_ms: 2000000 }',
    );
  const { policy, worker } = plan(long);
  expect(flag(policy, 'generate-timeout-ms')).toBe('600000');
  expect(flag(worker, 'call-timeout-ms')).toBe('90000');
});

test('P3: shorter deadlines of a recipe leave the services as they are: they travel with each call', () => {
  const { policy, worker } = plan(tiny);
  expect(flag(policy, 'generate-timeout-ms')).toBe('120000');
  expect(flag(worker, 'call-timeout-ms')).toBe('30000');
});

test('P10: workers may hand back what they hold when they are replaced; a coordinator that is asked to end would stop its runs', () => {
  const top = planTop({ recipe: parseRecipe(tiny, 'tiny.yaml'), paths }, at);
  const asked = top.filter(({ replaceGraceMs }) => replaceGraceMs !== undefined);
  expect(new Set(asked.map(({ service }) => service))).toEqual(new Set(['rollout']));
  expect(asked).toHaveLength(top.filter(({ service }) => service === 'rollout').length);
});

test('agents that are not programs of a worker have one gateway to come to, and workers the keys that it names', () => {
  const options =
    'open: { key_env: OPEN_KEY }, sessions: { listen: "127.0.0.1:8090", url: "https://agents.example.org" }';
  const text = tiny
    .replace(/^environment:[^\n]*\n(?: .*\n)*/m, '')
    .replace('fleet:\n', `environment: { name: agent, options: { ${options} } }\nfleet:\n  gateways: 2\n`)
    .replace(/kind: scripted/g, 'kind: builtin');
  const inputs = { recipe: parseRecipe(text, 'tiny.yaml'), paths };
  const [first, second] = planGateways(inputs, ['e:1']);
  expect([flag(first, 'sessions-http'), flag(first, 'allowed-hosts')]).toEqual([
    '127.0.0.1:8090',
    '["agents.example.org"]',
  ]);
  expect(second?.args).not.toContain('--sessions-http');
  expect(planTop(inputs, at).find(({ service }) => service === 'rollout')?.variables).toEqual(['OPEN_KEY']);
  const none = planGateways({ recipe: parseRecipe(tiny, 'tiny.yaml'), paths }, ['e:1']);
  expect(none[0]?.args).not.toContain('--sessions-http');
});

test('each gateway is in front of all engines', () => {
  const planned = (gateways: number) =>
    planGateways(
      { recipe: parseRecipe(tiny.replace('fleet:\n', `fleet:\n  gateways: ${gateways}\n`), 'tiny.yaml'), paths },
      ['e:1', 'e:2'],
    );
  expect(planned(1).map(({ label }) => label)).toEqual(['policy']);
  expect(planned(3).map(({ label }) => label)).toEqual(['policy-1', 'policy-2', 'policy-3']);
  expect(planned(3).map((each) => flag(each, 'engines'))).toEqual(Array(3).fill('e:1,e:2'));
});

test('P9: retrieval searches by what the recipe names, or does not start', () => {
  const named = (retrieval: string): string[] => {
    const recipe = parseRecipe(`${tiny}\nretrieval: ${retrieval}\n`, 'tiny.yaml');
    const planned = planBase({ recipe, paths }).find(({ service }) => service === 'retrieval');
    return [...(planned?.args ?? [])];
  };
  const dense = named('{ method: dense, encoder: intfloat/e5-base-v2, reranker: { model: a/b, candidates: 8 } }');
  const models = ['--encoder', 'intfloat/e5-base-v2', '--reranker', 'a/b', '--rerank-from', '8', '--rerank-to', '8'];
  expect(dense.slice(-models.length)).toEqual(models);
  expect(dense.join(' ')).toContain('--default-mode dense --require-models true');
  const lexical = named('{ analyzer: english, k1: 0.9 }');
  expect(lexical.join(' ')).toContain('--corpus /c --analyzer english --k1 0.9 --b 0.75 --default-mode lexical');
  expect(lexical).not.toContain('--encoder');
  expect(() => named('{ encoder: intfloat/e5-base-v2 }')).toThrow('is used when method is dense');
  expect(() => named('{ method: dense, encoder: ./e5 }')).toThrow('an absolute path');
});

const scored = `${tiny}
judges: { main: { base_url: http://127.0.0.1:1/v1, model: m, request_timeout_ms: 5000, api_key_file: ./key, cache_directory: ./replies } }
scorers:
  correct: { kind: grade, judge: main }
  house: { kind: typescript, path: ./house.ts, memory_mebibytes: 256 }
  theirs: { kind: python, path: ./reward.py, data_source: nq }
  remote: { kind: http, url: http://127.0.0.1:9/score, key_env: GRADUS_REMOTE_KEY }
`;
const scoredPaths = {
  ...paths,
  scorers: { house: '/r/house.ts', theirs: '/r/reward.py' },
  judge_keys: { main: '/r/key' },
  judge_caches: { main: '/r/replies' },
};

test("a fleet's reward service is given the recipe's judges and custom scorers, with paths that hold anywhere", () => {
  const recipe = parseRecipe(scored, 'tiny.yaml');
  const planned = planBase({ recipe, paths: scoredPaths }).find(({ service }) => service === 'reward');
  const judges = judgesSettings.parse(JSON.parse(flag(planned, 'judges') ?? ''));
  expect(judges['main']).toMatchObject({
    baseUrl: 'http://127.0.0.1:1/v1',
    requestTimeoutMs: 5000,
    apiKeyFile: '/r/key',
    cacheDirectory: '/r/replies',
  });
  const scorers = customScorersSettings.parse(JSON.parse(flag(planned, 'scorers') ?? ''));
  expect(scorers).toMatchObject({
    house: { kind: 'typescript', path: '/r/house.ts', memoryMebibytes: 256 },
    theirs: { kind: 'python', path: '/r/reward.py', dataSource: 'nq', function: 'compute_score' },
    remote: { kind: 'http', keyEnv: 'GRADUS_REMOTE_KEY' },
  });
  expect(Object.keys(scorers)).toEqual(['house', 'theirs', 'remote']);
  expect(flag(planned, 'python')).toContain('.venv/bin/python');
  const parent = { GRADUS_REMOTE_KEY: 'k', GRADUS_OTHER: 'o', PATH: '/bin' };
  expect(childEnvironment(parent, {}, planned?.variables)).toEqual({ GRADUS_REMOTE_KEY: 'k', PATH: '/bin' });
});

test('a service gets no secret of the environment but those that it needs by name', () => {
  const secrets = {
    JUDGE_KEY: 'j',
    OPENAI_API_KEY: 'o',
    HF_TOKEN: 'h',
    AWS_SECRET_ACCESS_KEY: 'a',
    GOOGLE_APPLICATION_CREDENTIALS: 'g',
    DB_PASSWORD: 'd',
  };
  const harmless = { PATH: '/bin', CUDA_VISIBLE_DEVICES: '0', TOKENIZERS_PARALLELISM: 'false', KEYBOARD: 'us' };
  const planned = planBase({ recipe: parseRecipe(tiny, 'tiny.yaml'), paths });
  const environmentOf = (name: string) =>
    childEnvironment({ ...secrets, ...harmless }, {}, planned.find(({ service }) => service === name)?.variables);
  expect(environmentOf('engine')).toEqual(harmless);
  expect(environmentOf('reward')).toEqual(harmless);
  expect(environmentOf('retrieval')).toEqual({ ...harmless, HF_TOKEN: 'h' });
});

test('a custom scorer is granted variables by name, and the reward service with it', () => {
  const granted = scored.replace('kind: typescript,', 'kind: typescript, environment: [HOUSE_KEY],');
  const planned = planBase({ recipe: parseRecipe(granted, 'tiny.yaml'), paths: scoredPaths }).find(
    ({ service }) => service === 'reward',
  );
  expect(planned?.variables).toContain('HOUSE_KEY');
  expect(JSON.parse(flag(planned, 'scorers') ?? '')).toMatchObject({ house: { environment: ['HOUSE_KEY'] } });
});

test('a recipe without judges and scorers starts the reward service as it is', () => {
  const planned = planBase({ recipe: parseRecipe(tiny, 'tiny.yaml'), paths }).find(
    ({ service }) => service === 'reward',
  );
  expect(planned).toMatchObject({ args: [], variables: [] });
});

test('a fleet fits only recipes with the judges and custom scorers that it was started with', () => {
  const key = (text: string, located: typeof scoredPaths = scoredPaths) =>
    fleetKey({ recipe: parseRecipe(text, 'tiny.yaml'), paths: located }, '/r/tiny.yaml');
  expect(key(scored.replace('correct:', 'right:'))).toBe(key(scored));
  expect(key(scored.replace('model: m', 'model: n'))).not.toBe(key(scored));
  expect(key(scored, { ...scoredPaths, scorers: { house: '/else/house.ts', theirs: '/r/reward.py' } })).not.toBe(
    key(scored),
  );
});

test('a fleet fits only recipes with the same files of data, wherever the recipe lies', () => {
  const key = (text: string, file: string) => fleetKey({ recipe: parseRecipe(text, file), paths }, file);
  expect(key(tiny, '/a/tiny.yaml')).toBe(key(tiny, '/b/tiny.yaml'));
  const rows = tiny.replace(/world: \{[^}]*\}/, 'rows: { train: q.jsonl, held_out: 5, corpus: c.jsonl }');
  expect(rows).not.toBe(tiny);
  expect(key(rows, '/a/tiny.yaml')).not.toBe(key(rows, '/b/tiny.yaml'));
  expect(key(rows, '/a/tiny.yaml')).toBe(key(rows, '/a/other.yaml'));
});

test('learner and engines are given the folders that they may touch, also where a name holds a comma', () => {
  const roots = ['/home, sweet', '/models/nano'];
  const planned = planBase({ recipe: parseRecipe(tiny, 'tiny.yaml'), paths }, roots);
  for (const service of ['learner', 'engine'] as const) {
    const args = planned.find((each) => each.service === service)?.args ?? [];
    expect(args[args.indexOf('--roots') + 1]).toBe(JSON.stringify(roots));
  }
});

test('a fleet whose environment needs no retrieval has none, and its workers know of none', () => {
  const sums = tiny
    .replace(/^environment: .*$/m, 'environment: { name: arithmetic }')
    .replaceAll('kind: scripted', 'kind: builtin');
  const { corpus: _corpus, ...without } = paths;
  const inputs = { recipe: parseRecipe(sums, 'tiny.yaml'), paths: without };
  expect(planBase(inputs).map(({ service }) => service)).not.toContain('retrieval');
  const { retrieval: _retrieval, ...reached } = at;
  expect(planTop(inputs, reached).flatMap(({ args }) => args)).not.toContain('--retrieval');
  // One that searches says what it lacks.
  expect(() => planBase({ recipe: parseRecipe(tiny, 'tiny.yaml'), paths: without })).toThrow(/there is no corpus/);
});

test('a learner of several ranks has the arguments of each: where it computes', () => {
  const text = tiny.replace(/learner: \{/, 'learner: { ranks: 2, device: cuda,');
  const learner = planBase({ recipe: parseRecipe(text, 'tiny.yaml'), paths }).find(({ label }) => label === 'learner');
  expect(learner?.ranks).toEqual([
    ['--device', 'cuda:0'],
    ['--device', 'cuda:1'],
  ]);
  expect(learner?.args).not.toContain('--device');
  expect(flag(learner, 'rank-timeout-ms')).toBe('600000');
  expect(flag(learner, 'rank-silence-ms')).toBe('12000');
});

test('a learner that exists is not started', () => {
  const labels = (text: string) =>
    planBase({ recipe: parseRecipe(text, 'tiny.yaml'), paths }).map(({ service }) => service);
  expect(labels(tiny)).toContain('learner');
  const external = tiny.replace(/^ {2}learner: .*$/m, '  learner: { kind: external, address: "127.0.0.1:7000" }');
  expect(labels(external)).toEqual(labels(tiny).filter((service) => service !== 'learner'));
});

test('a model of a store is the same for a fleet wherever it was fetched to', () => {
  const recipe = parseRecipe(tiny.replace('./model', `artefact:${'a'.repeat(64)}`), 'tiny.yaml');
  expect(recipe.model.path).toMatch(/^artefact:/);
  const keyOf = (model: string) => fleetKey({ recipe, paths: { model } }, '/r/tiny.yaml');
  expect(keyOf('/one/artefacts/a')).toBe(keyOf('/other/artefacts/a'));
});
