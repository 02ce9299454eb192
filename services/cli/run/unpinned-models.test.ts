import { expect, test } from 'vitest';
import type { Recipe } from '#recipe/schema.ts';
import { unpinnedModels } from './unpinned-models.ts';

const commit = '0123456789abcdef0123456789abcdef01234567';
const notes = (encoder: string | undefined, model: string, environment = 'search') =>
  unpinnedModels({
    environment: { name: environment, options: {} },
    retrieval: { encoder, reranker: { model, candidates: 15 } } as Recipe['retrieval'],
  });

test('P8, P9: a model of the hub without a commit is reported with its field, and how it is pinned', () => {
  expect(notes('intfloat/e5-base-v2', 'a/b@main:onnx/model_O4.onnx')).toEqual([
    expect.stringMatching(
      /^retrieval\.encoder: intfloat\/e5-base-v2 names no commit, .*; write intfloat\/e5-base-v2@COMMIT with/,
    ),
    expect.stringMatching(
      /^retrieval\.reranker\.model: a\/b@main:onnx\S+ names .*; write a\/b@COMMIT:onnx\/model_O4\.onnx with/,
    ),
  ]);
});

test('a commit, a path and a recipe that searches nothing are left alone', () => {
  expect(notes(`intfloat/e5-base-v2@${commit}`, `a/b@${commit}:onnx/model_O4.onnx`)).toEqual([]);
  expect(notes(undefined, '/models/ce:onnx/model_O4.onnx')).toEqual([]);
  expect(notes('intfloat/e5-base-v2', 'a/b', 'arithmetic')).toEqual([]);
});
