import type { EngineServer, ServerDescription } from '../kit/engine-server.ts';

/** Ids that every vocabulary has, in an order that no text has: what follows is as good as open. */
const tokenIds = [11, 5, 23, 7, 19, 3, 29, 13];
const temperature = 2;
/** Between two numbers that are the same one, also in bfloat16. */
const sameNats = 0.1;

type Level = Pick<ServerDescription, 'output' | 'logprobs' | 'advice'>;

/**
 * Which log-probabilities a server gives: one token is drawn at temperature 2 from the likeliest alone. After top-k its log-probability is 0; before it,
 * but after the temperature, it is another number than the raw one.
 */
export async function probeLogprobs(
  { generate, score }: Pick<EngineServer, 'generate'> & { readonly score: NonNullable<EngineServer['score']> },
  signal: AbortSignal,
): Promise<Level> {
  const { tokenIds: drawn, logprobs } = await generate(
    {
      requestId: 'gradus-probe',
      tokenIds,
      temperature,
      topP: 1,
      topK: 1,
      maxNewTokens: 1,
      seed: 1,
      stop: [],
      priority: 0,
      cacheNamespace: 'probe',
    },
    signal,
  );
  const [token] = drawn;
  const [said] = logprobs;
  if (token === undefined)
    return {
      output: 'text',
      advice: ['vllm gives no token ids: start it with --enable-scale-out, or take a version of 0.10.2 or later.'],
    };
  if (said === undefined || !(said <= sameNats))
    return {
      output: 'tokens',
      advice: ['vllm gives no log-probabilities: start it with --logprobs-mode processed_logprobs.'],
    };
  const raw = (await score([...tokenIds, token], signal)).at(-1) ?? NaN;
  if (Math.abs(said - raw) <= sameNats) {
    return {
      output: 'logprobs',
      logprobs: 'raw',
      advice: [
        'vllm gives raw log-probabilities: to train at another temperature than 1, start it with --logprobs-mode processed_logprobs.',
      ],
    };
  }
  return { output: 'logprobs', logprobs: said > -1e-6 ? 'processed' : 'tempered', advice: [] };
}
