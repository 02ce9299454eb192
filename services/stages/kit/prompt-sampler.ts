import { createRandom, permutation } from '#platform/random.ts';

export interface PromptSampler {
  /** Index of the question of a draw, 0..size-1. Pure: depends on the options and `draw` alone. */
  questionAt(draw: number): number;
}

export interface PromptSamplerOptions {
  readonly seed: number;
  readonly stage: string;
  /** Independent sequences of one stage: the prompts of the steps, and the replacements of dynamic sampling. */
  readonly sequence: 'prompt' | 'replacement' | 'evaluation';
  /** Number of questions, > 0. */
  readonly size: number;
}

/**
 * Shuffled epochs without replacement: draws e*size .. (e+1)*size-1 are a permutation of all questions, a new one for
 * every epoch e. Two sequences instead of one, so that how many groups had to be replaced never moves later prompts (P8).
 */
export function createPromptSampler(options: PromptSamplerOptions): PromptSampler {
  let epoch = -1;
  let order = new Uint32Array();
  return {
    questionAt(draw) {
      const wanted = Math.floor(draw / options.size);
      if (wanted !== epoch) {
        order = new Uint32Array(
          permutation(options.size, createRandom('prompts', options.seed, options.stage, options.sequence, wanted)),
        );
        epoch = wanted;
      }
      return order[draw % options.size] ?? 0;
    },
  };
}
