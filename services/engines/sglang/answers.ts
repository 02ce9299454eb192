import { z } from 'zod';
import { TransientError } from '#platform/errors.ts';
import type { ServerLoad, ServerTurn } from '../kit/engine-server.ts';
import { versionOf } from '../kit/server-answers.ts';

/** JSON has no NaN; the server writes null in its place. */
const logprob = z
  .number()
  .nullable()
  .transform((value) => value ?? NaN);
/** Log-probability, id, and text where that was asked for. */
const tokenLogprob = z.tuple([logprob, z.int().min(0)], z.unknown());

const finishReason = z.looseObject({ type: z.enum(['stop', 'length', 'abort']) });

/** `/generate`. */
export const generateAnswer = z.looseObject({
  output_ids: z.array(z.int().min(0)).nullish(),
  meta_info: z.looseObject({
    finish_reason: finishReason,
    output_token_logprobs: z.array(tokenLogprob).nullish(),
    input_token_logprobs: z.array(tokenLogprob).nullish(),
    weight_version: z.string().nullish(),
    weight_versions: z.array(z.looseObject({ version: z.string() })).nullish(),
    cached_tokens: z.int().nullish(),
  }),
});

export const serverAnswer = z.looseObject({
  version: z.string(),
  dtype: z.string().nullish(),
  enable_deterministic_inference: z.boolean().nullish(),
});
export const modelAnswer = z.looseObject({ weight_version: z.string() });
export const loadAnswer = z.looseObject({ success: z.boolean(), message: z.string() });
export const loadsAnswer = z.looseObject({
  loads: z.array(
    z.looseObject({ num_running_reqs: z.int(), num_waiting_reqs: z.int(), token_usage: z.number().catch(0) }),
  ),
});

type Generated = z.output<typeof generateAnswer>;

export function turnOf({ output_ids: ids, meta_info: meta }: Generated): ServerTurn {
  const { type } = meta.finish_reason;
  const spans = meta.weight_versions ?? [];
  const first = versionOf(spans[0]?.version ?? meta.weight_version);
  const last = versionOf(spans.at(-1)?.version ?? meta.weight_version);
  const said = meta.output_token_logprobs ?? [];
  const tokenIds = ids ?? [];
  const other = said.findIndex(([, id], at) => id !== tokenIds[at]);
  if (other !== -1)
    throw new TransientError(
      'aborted',
      `sglang gave token ${tokenIds[other]} and the log-probability of ${said[other]?.[1]} at ${other}`,
    );
  return {
    tokenIds,
    logprobs: said.map(([value]) => value),
    finish: type === 'abort' ? 'aborted' : type,
    ...(first !== undefined && last !== undefined && { versions: { first, last } }),
    ...(typeof meta.cached_tokens === 'number' && { cachedTokens: meta.cached_tokens }),
  };
}

/** Of every token after the first, what the server says of it as a part of the prompt. */
export function scoresOf(
  tokenIds: readonly number[],
  { meta_info: { input_token_logprobs: said } }: Generated,
): number[] {
  const rows = said ?? [];
  return tokenIds.slice(1).map((id, at) => {
    const row = rows[at + 1];
    if (row?.[1] !== id)
      throw new TransientError('aborted', `sglang gave no log-probability of token ${at + 1} of a prompt`);
    return row[0];
  });
}

/** Summed over the data-parallel ranks of one server; the fullest cache of all. */
export function loadOf({ loads }: z.output<typeof loadsAnswer>): Omit<ServerLoad, 'version'> {
  const sum = (field: 'num_running_reqs' | 'num_waiting_reqs'): number =>
    loads.reduce((total, each) => total + each[field], 0);
  return {
    running: sum('num_running_reqs'),
    waiting: sum('num_waiting_reqs'),
    kvUsedRatio: Math.min(1, Math.max(0, ...loads.map((each) => each.token_usage))),
    // Told per turn only, where turns that wait while weights are loaded count, too.
    preemptions: 0n,
  };
}
