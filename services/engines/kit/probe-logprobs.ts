import type { EngineServer, ServerDescription } from './engine-server.ts';

/** Ids that every vocabulary has, in an order that no text has: what follows is as good as open. */
const tokenIds = [11, 5, 23, 7, 19, 3, 29, 13];
/** Between two numbers that are the same one, also in bfloat16. */
const sameNats = 0.1;

export interface LogprobProbe {
  /** Of the likeliest tokens from which one is drawn. 1 shows as well whether log-probabilities are after top-k: that of the only one is 0. */
  readonly topK: number;
  /** What to do where there are no ids, no log-probabilities, or raw ones. */
  readonly advice: { readonly ids: string; readonly logprobs: string; readonly raw: string };
}

/**
 * Which log-probabilities a server gives: one token is drawn at temperature 2 and scored. After the temperature its log-probability is another number than
 * the raw one.
 */
export async function probeLogprobs(
  { generate, score }: Pick<EngineServer, 'generate'> & { readonly score: NonNullable<EngineServer['score']> },
  { topK, advice }: LogprobProbe,
  signal: AbortSignal,
): Promise<Pick<ServerDescription, 'output' | 'logprobs' | 'advice'>> {
  const turn = await generate(
    {
      requestId: 'gradus-probe',
      tokenIds,
      temperature: 2,
      topP: 1,
      topK,
      maxNewTokens: 1,
      seed: 1,
      stop: [],
      priority: 0,
      cacheNamespace: 'probe',
    },
    signal,
  );
  const [token] = turn.tokenIds;
  const [said] = turn.logprobs;
  if (token === undefined) return { output: 'text', advice: [advice.ids] };
  if (said === undefined || !(said <= sameNats)) return { output: 'tokens', advice: [advice.logprobs] };
  const raw = (await score([...tokenIds, token], signal)).at(-1) ?? NaN;
  if (Math.abs(said - raw) <= sameNats) return { output: 'logprobs', logprobs: 'raw', advice: [advice.raw] };
  return { output: 'logprobs', logprobs: topK === 1 && said > -1e-6 ? 'processed' : 'tempered', advice: [] };
}
