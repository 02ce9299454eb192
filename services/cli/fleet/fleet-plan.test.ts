import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseRecipe } from '#shared/recipe/parse-recipe.ts';
import { repositoryRoot } from '../repository.ts';
import { planPolicy, planTop } from './fleet-plan.ts';
import type { PlannedService } from './fleet-plan.ts';

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
