import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { engineKinds } from '#engines/index.ts';
import { errorFrom } from '#platform/errors.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { parseRecipe } from './parse-recipe.ts';
import { parseSetting } from './recipe-settings.ts';
import type { Recipe } from './schema.ts';

const demo = readFileSync(join(repositoryRoot, 'recipes/demo.yaml'), 'utf8');

function withEngine(engine: object, fleet: object = {}): Recipe {
  const set = Object.entries({
    ...fleet,
    ...Object.fromEntries(Object.entries(engine).map(([key, value]) => [`engine.${key}`, value])),
  });
  return parseRecipe(
    demo,
    'demo.yaml',
    set.map(([path, value]) => parseSetting(`fleet.${path}=${JSON.stringify(value)}`)),
  );
}

function problemsOf(engine: object, fleet: object = {}): string {
  try {
    withEngine(engine, fleet);
  } catch (thrown) {
    return errorFrom(thrown).message;
  }
  return 'no problem';
}

describe('fleet.engine of a recipe', () => {
  it('is the built-in one, or any kind of inference server with the options of its own schema written out', () => {
    expect(withEngine({}).fleet.engine).toMatchObject({ kind: 'builtin', options: {}, addresses: [] });
    for (const { kind, options, start } of engineKinds) {
      if (start === undefined) continue;
      expect(withEngine({ kind }).fleet.engine.options, kind).toEqual(options.parse({}));
    }
  });

  it('computes on one device, or each engine on its own', () => {
    expect(withEngine({ device: 'cuda:3' }).fleet.engine.device).toBe('cuda:3');
    expect(withEngine({ device: ['cuda:1', 'cuda:2'] }, { engines: 2 }).fleet.engine.device).toEqual([
      'cuda:1',
      'cuda:2',
    ]);
    expect(problemsOf({ device: 'gpu' })).toContain('fleet.engine.device: ');
    expect(problemsOf({ device: ['cuda:1'] }, { engines: 2 })).toContain('lists 1 for 2 engines; list one for each');
    for (const device of ['cuda', ['cuda', 'cuda:0']])
      expect(problemsOf({ device }, { engines: 2 })).toContain(
        'puts several engines on cuda:0; list a GPU for each, for example [cuda:0, cuda:1]',
      );
    expect(problemsOf({ kv_tokens: 100 })).toContain(
      'fleet.engine.kv_tokens: must be at least max_context (1024), or 0',
    );
  });

  it('may be engines that exist', () => {
    const addresses = ['10.0.0.7:7001', 'dns:///engines.training:7001'];
    expect(withEngine({ kind: 'external', addresses }).fleet.engine).toMatchObject({ kind: 'external', addresses });
  });

  it.each([
    [{ kind: 'vlllm' }, {}, 'fleet.engine.kind: unknown; did you mean vllm? (got "vlllm")'],
    [{ kind: 'onnx' }, {}, 'fleet.engine.kind: must be one of builtin, scripted, external, '],
    [{ kind: 'vllm', options: { dtyp: 'float32' } }, {}, 'fleet.engine.options.dtyp: unknown key; did you mean dtype?'],
    [{ kind: 'vllm', options: { dtype: 'int3' } }, {}, 'fleet.engine.options.dtype: '],
    [
      { options: { dtype: 'float32' } },
      {},
      'fleet.engine.options: is of no use with kind: builtin; the kinds that have options are ',
    ],
    [{ addresses: ['a:1'] }, {}, 'fleet.engine.addresses: is of no use with kind: builtin; set kind: external'],
    [
      { kind: 'external' },
      {},
      'fleet.engine.addresses: is missing; kind: external needs the host:port of at least one engine',
    ],
    [
      { kind: 'external', addresses: ['a:1', 'b:2', 'a:1'] },
      {},
      'fleet.engine.addresses: names an engine twice (got "a:1")',
    ],
    [{ kind: 'external', addresses: ['http://a:1/'] }, {}, 'fleet.engine.addresses[0]: must be host:port'],
    [
      { kind: 'external', addresses: ['a:1'] },
      { engines: 2 },
      'fleet.engines: is how many are started, and kind: external starts none',
    ],
  ])('refuses %j with what to do', (engine, fleet, problem) => {
    expect(problemsOf(engine, fleet)).toContain(problem);
  });
});
