import { z } from 'zod';
import { TransientError } from '#platform/errors.ts';
import type { ServerLoad, ServerTurn } from '../kit/engine-server.ts';
import { versionOf } from '../kit/server-answers.ts';

/** What vLLM writes in the place of not-a-number and minus infinity. */
const noNumber = -9999;

const logprob = z.number().transform((value) => (value <= noNumber ? NaN : value));
const finish = z.enum(['stop', 'length', 'abort']).transform((word) => (word === 'abort' ? 'aborted' : word));
const usage = z
  .looseObject({ prompt_tokens_details: z.looseObject({ cached_tokens: z.int().nullish() }).nullish() })
  .nullish();

const promptLogprobs = z
  .array(z.record(z.string(), z.looseObject({ logprob })).nullable())
  .nullish()
  .transform((rows) => rows ?? undefined);

/** `/inference/v1/generate` with `output_mode: tokens`. */
export const generateAnswer = z.looseObject({
  usage,
  prompt_logprobs: promptLogprobs,
  choices: z
    .array(
      z.looseObject({
        finish_reason: finish,
        token_ids: z.array(z.int().min(0)),
        logprobs: z.looseObject({ content: z.array(z.looseObject({ logprob })).nullish() }).nullish(),
        weight_versions: z.array(z.looseObject({ version: z.string() })).nullish(),
      }),
    )
    .length(1),
});

/** `/v1/completions` with `return_token_ids`. */
export const completionAnswer = z.looseObject({
  usage,
  choices: z
    .array(
      z.looseObject({
        finish_reason: finish,
        token_ids: z.array(z.int().min(0)).nullish(),
        logprobs: z.looseObject({ token_logprobs: z.array(logprob.nullable()) }).nullish(),
        prompt_logprobs: promptLogprobs,
      }),
    )
    .length(1),
});

export const versionAnswer = z.looseObject({ version: z.string() });
export const weightAnswer = z.looseObject({ weight_version: z.string() });
export const infoAnswer = z.looseObject({
  vllm_config: z.looseObject({ model_config: z.looseObject({ dtype: z.string() }) }),
});

export function turnOfGenerate({ usage: used, choices: [choice] }: z.output<typeof generateAnswer>): ServerTurn {
  if (choice === undefined) throw new TransientError('aborted', 'vllm gave no choice');
  const spans = choice.weight_versions ?? [];
  const first = versionOf(spans[0]?.version);
  const last = versionOf(spans.at(-1)?.version);
  return {
    tokenIds: choice.token_ids,
    logprobs: (choice.logprobs?.content ?? []).map((token) => token.logprob),
    finish: choice.finish_reason,
    ...(first !== undefined && last !== undefined && { versions: { first, last } }),
    ...cachedOf(used),
  };
}

export function turnOfCompletion({ usage: used, choices: [choice] }: z.output<typeof completionAnswer>): ServerTurn {
  if (choice === undefined) throw new TransientError('aborted', 'vllm gave no choice');
  return {
    tokenIds: choice.token_ids ?? [],
    logprobs: (choice.logprobs?.token_logprobs ?? []).map((value) => value ?? NaN),
    finish: choice.finish_reason,
    ...cachedOf(used),
  };
}

function cachedOf(used: z.output<typeof usage>): { readonly cachedTokens?: number } {
  const cachedTokens = used?.prompt_tokens_details?.cached_tokens;
  return typeof cachedTokens === 'number' ? { cachedTokens } : {};
}

/** Of every token after the first, what the rows of a prompt say of it. */
export function scoresOf(tokenIds: readonly number[], rows: z.output<typeof promptLogprobs>): number[] {
  return tokenIds.slice(1).map((id, at) => {
    const found = rows?.[at + 1]?.[String(id)];
    if (found === undefined)
      throw new TransientError('aborted', `vllm gave no log-probability of token ${at + 1} of a prompt`);
    return found.logprob;
  });
}

/** Of the Prometheus text, summed over the engines of one server. */
export function loadOfMetrics(text: string): Omit<ServerLoad, 'version'> {
  const sums = new Map<string, { sum: number; most: number }>();
  for (const [, name = '', value = ''] of text.matchAll(/^vllm:([a-z_]+)(?:\{[^}]*\})? ([0-9.e+-]+)$/gm)) {
    const known = sums.get(name) ?? { sum: 0, most: 0 };
    sums.set(name, { sum: known.sum + Number(value), most: Math.max(known.most, Number(value)) });
  }
  return {
    running: sums.get('num_requests_running')?.sum ?? 0,
    waiting: sums.get('num_requests_waiting')?.sum ?? 0,
    kvUsedRatio: Math.min(1, sums.get('kv_cache_usage_perc')?.most ?? 0),
    preemptions: BigInt(Math.round(sums.get('num_preemptions_total')?.sum ?? 0)),
  };
}
