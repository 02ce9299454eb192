import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { planBase } from './fleet-plan.ts';
import type { PlannedService } from './planned-service.ts';
import { planScriptedJudges, withScriptedJudges } from './scripted-judges.ts';

const paths = { model: '/m', train: '/t', held_out: '/h', corpus: '/c' };
const tiny = readFileSync(join(repositoryRoot, 'tests/e2e/tiny.yaml'), 'utf8');

function flag(planned: PlannedService | undefined, name: string): string | undefined {
  const args = planned?.args ?? [];
  return args[args.indexOf(`--${name}`) + 1];
}

test('a scripted judge stands in for the one of its name: address and model are its own, other settings hold, no key is asked for', () => {
  const judges = `judges:
  main: { base_url: https://example.com/v1, model: large, api_key_file: ./key, concurrency: 3 }
  other: { base_url: https://example.com/v1, model: small, api_key_env: KEY }
`;
  const text = tiny.replace(
    'concurrency: 32',
    'concurrency: 32\n  scripted_judges: { main: { noise: 0.5 }, alone: {} }',
  );
  const inputs = {
    recipe: parseRecipe(`${judges}${text}`, 'tiny.yaml'),
    paths: { ...paths, judge_keys: { main: '/k' } },
  };
  const planned = planScriptedJudges(inputs);
  expect(planned.map(({ label }) => label)).toEqual(['judge-main', 'judge-alone']);
  expect(flag(planned[0], 'noise')).toBe('0.5');
  expect(flag(planned[0], 'questions')).toBe('["/t","/h"]');
  const addresses = new Map([
    ['judge-main', '127.0.0.1:1'],
    ['judge-alone', '127.0.0.1:2'],
  ]);
  const reward = planBase(withScriptedJudges(inputs, addresses)).find(({ service }) => service === 'reward');
  const given: unknown = JSON.parse(flag(reward, 'judges') ?? '');
  expect(given).toMatchObject({
    main: { baseUrl: 'http://127.0.0.1:1/v1', model: 'scripted', concurrency: 3 },
    alone: { baseUrl: 'http://127.0.0.1:2/v1', model: 'scripted' },
    other: { baseUrl: 'https://example.com/v1', model: 'small', apiKeyEnv: 'KEY' },
  });
  expect(given).not.toHaveProperty('main.apiKeyFile');
  expect(reward?.variables).toEqual(['KEY']);
});
