import { expect, test } from 'vitest';
import { locateSearchModels } from './resolve-recipe.ts';
import type { Recipe } from './schema.ts';

const located = (retrieval: Partial<Recipe['retrieval']>) =>
  locateSearchModels({ retrieval: retrieval as Recipe['retrieval'] });

test('models that search are inputs of a run where a path names them; a hub id is its own name', () => {
  expect(
    located({ encoder: '/models/e5', reranker: { model: '/models/ce:onnx/model_O4.onnx', candidates: 15 } }),
  ).toEqual({
    search_models: { encoder: '/models/e5', reranker: '/models/ce' },
  });
  expect(located({ encoder: 'intfloat/e5-base-v2@main' })).toEqual({});
  expect(located({})).toEqual({});
});
