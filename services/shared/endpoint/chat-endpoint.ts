import { z } from 'zod';
import { TransientError, TerminalError } from '#shared/errors.ts';
import { postJson } from '#shared/http/post-json.ts';
import { trimEnd } from '#shared/text/trim-end.ts';
import { isContextRefusal, refusalOf } from './refusal.ts';
import type { EndpointSettings } from './server-fields.ts';

export interface EndpointMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface EndpointSampling {
  readonly temperature: number;
  /** Absent: as the server does. */
  readonly topP?: number;
  readonly topK?: number;
  readonly seed?: number;
  readonly maxTokens: number;
}

export type EndpointAnswer =
  | {
      readonly kind: 'message';
      readonly text: string;
      /** A token limit cut it. */
      readonly cut: boolean;
      readonly promptTokens: number;
      readonly completionTokens: number;
    }
  /** The conversation is longer than the model takes. */
  | { readonly kind: 'context' };

export interface ChatEndpoint {
  readonly url: string;
  /**
   * One call, no retries. `TransientError`: 429 and 5xx with what Retry-After says, no connection or one that was cut, an answer that is
   * none. `TerminalError` permission_denied: the server refuses, with its words and the fix. `CancelledError` when `signal` aborts.
   */
  complete(
    messages: readonly EndpointMessage[],
    sampling: EndpointSampling,
    signal: AbortSignal,
  ): Promise<EndpointAnswer>;
}

const completion = z.looseObject({
  choices: z
    .array(
      z.looseObject({
        message: z.looseObject({
          content: z.string().nullish(),
          reasoning_content: z.string().nullish(),
          reasoning: z.string().nullish(),
        }),
        finish_reason: z.string().nullish(),
      }),
    )
    .min(1),
  usage: z
    .looseObject({ prompt_tokens: z.number().min(0).default(0), completion_tokens: z.number().min(0).default(0) })
    .nullish(),
});

/** The chat completions API, as OpenAI, vLLM, SGLang and others serve it: https://platform.openai.com/docs/api-reference/chat. */
export function createChatEndpoint(settings: EndpointSettings, apiKey: string | undefined): ChatEndpoint {
  const { model, extraBody } = settings;
  const url = `${trimEnd(settings.baseUrl, '/')}/chat/completions`;
  return {
    url,
    async complete(messages, sampling, signal) {
      const { temperature, topP, topK, seed, maxTokens } = sampling;
      const body = JSON.stringify({
        model,
        messages,
        temperature,
        max_tokens: maxTokens,
        ...(topP !== undefined && { top_p: topP }),
        ...(topK !== undefined && { top_k: topK }),
        ...(seed !== undefined && { seed }),
        ...extraBody,
      });
      try {
        return answerOf(await postJson({ who: url, url, apiKey }, body, signal), url);
      } catch (thrown) {
        if (!(thrown instanceof TerminalError)) throw thrown;
        if (isContextRefusal(thrown)) return { kind: 'context' };
        throw refusalOf(thrown, url, settings);
      }
    },
  };
}

function answerOf(text: string, url: string): EndpointAnswer {
  const fail = (problem: string): never => {
    throw new TransientError('aborted', `${url} answered ${problem}`);
  };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return fail(`200 and no JSON: ${JSON.stringify(text.slice(0, 80))}`);
  }
  const parsed = completion.safeParse(json);
  if (!parsed.success) {
    const [first] = parsed.error.issues;
    return fail(`200 and no chat completion: ${first?.path.join('.') ?? ''}: ${first?.message ?? 'malformed'}`);
  }
  const { choices, usage } = parsed.data;
  const [choice] = choices;
  const { content, reasoning, reasoning_content: thought } = choice?.message ?? {};
  const completionTokens = usage?.completion_tokens ?? 0;
  const cut = choice?.finish_reason === 'length';
  const wrote = completionTokens > 0 || cut || Boolean(reasoning ?? thought);
  // A model that ends its turn at once has written a token: nothing at all is a fault of the server.
  if ((content ?? '') === '' && !wrote) return fail('200 and an empty choice');
  return {
    kind: 'message',
    text: (content ?? '').toWellFormed(),
    cut,
    promptTokens: usage?.prompt_tokens ?? 0,
    completionTokens,
  };
}
