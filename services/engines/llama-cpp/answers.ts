import { z } from 'zod';
import type { ServerTurn } from '../kit/engine-server.ts';

/** `/completion` with `return_tokens`. `none`: it ended for no reason of the model or of the request. */
export const completionAnswer = z.looseObject({
  tokens: z.array(z.int().min(0)),
  stop_type: z.enum(['eos', 'word', 'limit', 'none']),
  timings: z.looseObject({ cache_n: z.int().min(0).nullish() }).nullish(),
});

export const propsAnswer = z.looseObject({
  build_info: z.string(),
  model_alias: z.string().nullish(),
  total_slots: z.int().min(1),
  default_generation_settings: z.looseObject({ n_ctx: z.int().min(1) }),
});

export const slotsAnswer = z.array(z.looseObject({ is_processing: z.boolean() }));

const finishOf = { eos: 'stop', word: 'stop', limit: 'length', none: 'aborted' } as const;

export function turnOf({ tokens, stop_type: stopped, timings }: z.output<typeof completionAnswer>): ServerTurn {
  const cachedTokens = timings?.cache_n;
  return {
    tokenIds: tokens,
    logprobs: [],
    finish: finishOf[stopped],
    ...(typeof cachedTokens === 'number' && { cachedTokens }),
  };
}
