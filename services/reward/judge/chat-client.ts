import { z } from 'zod';
import { trimEnd } from '#shared/text/trim-end.ts';
import { postJson } from '#shared/http/post-json.ts';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  /** Asks for this shape of reply. */
  readonly schema?: { readonly name: string; readonly schema: object } | undefined;
}

export interface ChatReply {
  /** Of the endpoint; empty when it gives none. */
  readonly id: string;
  readonly text: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
}

export interface ChatClientOptions {
  /** For messages. */
  readonly who: string;
  readonly baseUrl: string;
  readonly model: string;
  readonly apiKey: string | undefined;
  readonly temperature: number;
  readonly maxTokens: number;
}

export interface ChatClient {
  /** One call; errors as of `postJson`. A reply that is none (200 without a message) has an empty text. */
  complete(request: ChatRequest, signal: AbortSignal): Promise<ChatReply>;
}

const completion = z.looseObject({
  id: z.string().default(''),
  choices: z.array(z.looseObject({ message: z.looseObject({ content: z.string().nullish() }).nullish() })).default([]),
  usage: z
    .looseObject({ prompt_tokens: z.number().min(0).default(0), completion_tokens: z.number().min(0).default(0) })
    .nullish(),
});

/** The chat completions API: https://platform.openai.com/docs/api-reference/chat. */
export function createChatClient(options: ChatClientOptions): ChatClient {
  const { who, apiKey } = options;
  const post = { who, url: `${trimEnd(options.baseUrl, '/')}/chat/completions`, apiKey };

  function bodyOf({ messages, schema }: ChatRequest): string {
    return JSON.stringify({
      model: options.model,
      messages,
      temperature: options.temperature,
      max_tokens: options.maxTokens,
      ...(schema === undefined
        ? {}
        : { response_format: { type: 'json_schema', json_schema: { ...schema, strict: true } } }),
    });
  }

  return {
    complete: async (request, signal) => replyOf(await postJson(post, bodyOf(request), signal)),
  };
}

function replyOf(text: string): ChatReply {
  let parsed: z.infer<typeof completion> | undefined;
  try {
    parsed = completion.safeParse(JSON.parse(text)).data;
  } catch {
    // Not JSON: an empty text, which no question can read.
  }
  return {
    id: parsed?.id ?? '',
    text: parsed?.choices[0]?.message?.content ?? '',
    promptTokens: parsed?.usage?.prompt_tokens ?? 0,
    completionTokens: parsed?.usage?.completion_tokens ?? 0,
  };
}
