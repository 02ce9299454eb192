/** What chat completions and completions say alike. */
import type { AgentReply } from '../agent-call.ts';
import type { Sample } from './dialect.ts';

export function finishOf({ cut, calls }: AgentReply): 'length' | 'tool_calls' | 'stop' {
  if (cut) return 'length';
  return calls.length > 0 ? 'tool_calls' : 'stop';
}

/** All samples have one prompt. */
export function usageOf(samples: readonly Sample[]): object {
  const prompt = samples[0]?.tokens?.prompt ?? 0;
  const completion = samples.reduce((sum, { tokens }) => sum + (tokens?.turn ?? 0), 0);
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}

/** The ids under vLLM's names. */
export function tokenIdsOf({ sampled }: Sample): object {
  return { token_ids: sampled?.tokenIds ?? null };
}

export function promptIdsOf([first]: readonly Sample[]): object {
  return { prompt_token_ids: first?.sampled?.prompt ?? null };
}
