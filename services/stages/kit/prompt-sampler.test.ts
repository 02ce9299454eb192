import { describe, expect, it } from 'vitest';
import { createPromptSampler } from './prompt-sampler.ts';

describe('the prompt sampler', () => {
  const options = { seed: 1, stage: 'one', sequence: 'prompt', size: 10 } as const;
  const draws = (sampler: { questionAt(draw: number): number }, from: number, to: number) =>
    Array.from({ length: to - from }, (_, index) => sampler.questionAt(from + index));

  it('P8: gives the same question for the same draw, in whatever order draws are asked', () => {
    const wanted = draws(createPromptSampler(options), 0, 35);
    const sampler = createPromptSampler(options);
    for (const draw of [34, 3, 17, 3, 0, 25]) expect(sampler.questionAt(draw)).toBe(wanted[draw]);
  });

  it('asks every question once in an epoch, and shuffles every epoch anew', () => {
    const sampler = createPromptSampler(options);
    const first = draws(sampler, 0, 10);
    const second = draws(sampler, 10, 20);
    expect(first.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(second.toSorted((a, b) => a - b)).toEqual(first.toSorted((a, b) => a - b));
    expect(second).not.toEqual(first);
  });

  it('has different orders for other seeds, stages and sequences', () => {
    const orders = [
      options,
      { ...options, seed: 2 },
      { ...options, stage: 'two' },
      { ...options, sequence: 'replacement' as const },
    ].map((variant) => draws(createPromptSampler(variant), 0, 10).join());
    expect(new Set(orders).size).toBe(4);
  });
});
