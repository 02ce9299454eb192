import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { fleetSchema } from '#recipe/fleet-schema.ts';
import { recipeSchema } from '#recipe/schema.ts';
import { loadConfig } from '#platform/runtime/config.ts';
import { fleetBounds } from '#platform/runtime/fleet-bounds.ts';
import { unboundedNumbers } from '#platform/runtime/unbounded-numbers.ts';
import { serviceConfigs } from '../../tests/fixtures/service-configs.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { planBase, planPolicy, planTop } from './fleet-plan.ts';
import { planScriptedJudges } from './scripted-judges.ts';

const tiny = readFileSync(join(repositoryRoot, 'tests/e2e/tiny.yaml'), 'utf8');

describe('every number', () => {
  it('of a recipe has a finite bound in both directions, and no wait is longer than a timer can be', () => {
    expect(unboundedNumbers(recipeSchema)).toEqual([]);
  });

  it.each(Object.entries(serviceConfigs))('in the config of %s has, too', (_name, schema) => {
    expect(unboundedNumbers(schema)).toEqual([]);
  });

  it('is looked at where services have configs: a new service is in the list', () => {
    const files = globSync('{*,scripted/*}/config.ts', { cwd: join(repositoryRoot, 'services') });
    const written = files.map((file) => dirname(file).replace('/', '-'));
    expect(Object.keys(serviceConfigs).toSorted()).toEqual(written.toSorted());
  });

  it('without a bound is found, wherever it is', () => {
    const open = z.strictObject({
      deep: z.array(z.object({ size: z.int().min(1) })).default([]),
      by_name: z.record(z.string(), z.union([z.string(), z.number().max(1)])),
      wait_ms: z
        .int()
        .min(0)
        .max(2 ** 31),
      fine: z.number().positive().max(1).optional(),
    });
    expect(unboundedNumbers(open)).toEqual([
      'deep[].size: lacks a maximum',
      'by_name.*: lacks a minimum',
      'wait_ms: is longer than a timer can be',
    ]);
  });
});

/** Each number at its greatest, and the rest at its default. */
function greatest(schema: z.ZodType): unknown {
  const json = z.toJSONSchema(schema, { io: 'input' });
  const at = (node: unknown): unknown => {
    const { type, maximum, properties } = z
      .looseObject({
        type: z.string().optional(),
        maximum: z.number().optional(),
        properties: z.record(z.string(), z.unknown()).optional(),
      })
      .parse(node);
    if (type === 'integer' || type === 'number') return maximum;
    if (properties === undefined) return undefined;
    const fields = Object.entries(properties).flatMap(([key, inner]) => {
      const value = at(inner);
      return value === undefined ? [] : [[key, value] as const];
    });
    return Object.fromEntries(fields);
  };
  return at(json);
}

describe('a fleet at all bounds of a recipe', () => {
  const base = parseRecipe(tiny, 'tiny.yaml');
  const most = fleetSchema.parse(greatest(fleetSchema));
  const scripted = {
    ...most,
    engine: { ...most.engine, kind: 'scripted' as const },
    learner: { ...most.learner, kind: 'scripted' as const },
    scripted_judges: fleetSchema.parse({ scripted_judges: { main: { noise: 100, latency_median_ms: 600_000 } } })
      .scripted_judges,
  };
  const inputs = {
    recipe: { ...base, fleet: scripted },
    paths: { model: '/m', train: '/t.jsonl', held_out: '/h.jsonl', corpus: '/c.jsonl' },
  };
  const at = {
    natsUrl: 'nats://127.0.0.1:1',
    fleetId: 'f',
    policy: '127.0.0.1:1',
    learner: '127.0.0.1:2',
    retrieval: '127.0.0.1:3',
    reward: '127.0.0.1:4',
  };

  const endpoint = {
    base_url: 'https://there/v1',
    model: 'm',
    api_key_env: 'K',
    extra_body: { stop: ['x'] },
    max_tokens_field: 'max_completion_tokens' as const,
  };

  it('is one that its services take: what passes a dry run does not end a process', () => {
    const engines = Array.from({ length: most.engines }, (_, index) => `127.0.0.1:${index + 1}`);
    const planned = [
      ...planScriptedJudges(inputs),
      ...planBase(inputs),
      ...planBase({
        ...inputs,
        recipe: { ...inputs.recipe, fleet: { ...scripted, engine: { ...most.engine, kind: 'vllm' } } },
      }),
      planPolicy(inputs, engines),
      planPolicy({ ...inputs, recipe: { ...inputs.recipe, model: { endpoint } } }, []),
      ...planTop(inputs, at),
    ];
    const programs = new Map(planned.map((each) => [each.program ?? each.service, each]));
    // A fleet on one machine moves no files.
    const started = Object.keys(serviceConfigs).filter((name) => name !== 'artefacts');
    expect([...programs.keys()].toSorted()).toEqual(started.toSorted());
    for (const [name, { args }] of programs) {
      const schema = serviceConfigs[name];
      if (schema === undefined) throw new Error(`no config of ${name}`);
      expect(() => loadConfig(schema, { argv: args, env: {} }), name).not.toThrow();
    }
  });

  it('does not ask the built-in engine for more sequences than it takes', () => {
    const config = readFileSync(join(repositoryRoot, 'services/learner/gradus_learner/engine/config.py'), 'utf8');
    expect(config).toMatch(new RegExp(`max_running: Annotated\\[int, Field\\(ge=1, le=${fleetBounds.builtinRunning},`));
    const wide = tiny.replace('max_running: 64', `max_running: ${fleetBounds.builtinRunning + 1}`);
    expect(() => parseRecipe(wide, 'wide.yaml')).toThrow(
      'fleet.engine.max_running: must be at most 4096 with kind: builtin (got 4097)',
    );
  });
});

it('numbers of a recipe that are not finite are refused by name, all at once', () => {
  const odd = tiny
    .replace('max_running: 64', 'max_running: 1e999')
    .replace('concurrency: 32', 'concurrency: .inf')
    .replace('workers: 2', 'workers: 1000000000')
    .replace('micro_batch_tokens: 2048', 'micro_batch_tokens: .nan');
  const refused =
    /fleet\.workers: .*1000000000[^]*fleet\.concurrency: [^]*fleet\.engine\.max_running: [^]*fleet\.learner\.micro_batch_tokens: /;
  expect(() => parseRecipe(odd, 'odd.yaml')).toThrow(refused);
});
