import { expect, test } from 'vitest';
import { stretchContext } from './stretch-context.ts';

const qwen3 = { model_type: 'qwen3', max_position_embeddings: 40_960, rope_scaling: null, rope_theta: 1_000_000 };

test('Jan-nano-128k: YaRN with factor 3.2 over 40,960 positions', () => {
  expect(stretchContext(qwen3, 131_072)).toEqual({
    model_type: 'qwen3',
    max_position_embeddings: 131_072,
    rope_theta: 1_000_000,
    rope_parameters: {
      rope_type: 'yarn',
      rope_theta: 1_000_000,
      factor: 3.2,
      original_max_position_embeddings: 40_960,
    },
  });
});

test.each([
  ['no longer context', qwen3, 40_960, /^--context 40960: it must be more than the 40960 positions/],
  ['stretched already', { ...qwen3, rope_scaling: { type: 'yarn', factor: 4 } }, 131_072, /stretched already .*"yarn"/],
  ['no positions', { model_type: 'qwen3' }, 131_072, /has no max_position_embeddings/],
])('refused: %s', (_case, config, context, message) => {
  expect(() => stretchContext(config, context)).toThrow(message);
});
