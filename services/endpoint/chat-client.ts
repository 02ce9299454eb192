import { z } from 'zod';
import { postJson, withoutKey } from '#platform/http/post-json.ts';
import { trimEnd } from '#platform/text/trim-end.ts';
import { errorInBody } from './error-in-body.ts';
import type { EndpointSettings } from './server-fields.ts';

export interface EndpointMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface EndpointSampling {
  /** Absent: as the server does; some models take no other. */
  readonly temperature?: number;
  /** Absent: as the server does. */
  readonly topP?: number;
  readonly topK?: number;
  readonly seed?: number;
  readonly maxTokens: number;
}

export interface ChatRequest {
  readonly messages: readonly EndpointMessage[];
  /** Asks for this shape of reply. */
  readonly schema?: { readonly name: string; readonly schema: object } | undefined;
}

export interface ChatReply {
  readonly kind: 'reply';
  /** Of the server; empty when it gives none. */
  readonly id: string;
  readonly text: string;
  /** A token limit cut it. */
  readonly cut: boolean;
  /** A filter of the server took some of it. */
  readonly filtered: boolean;
  /** The server says that the model wrote something, be it thoughts or the end of its turn. */
  readonly wrote: boolean;
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** 200, and no completion in it. */
export interface NoReply {
  readonly kind: 'none';
  readonly problem: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
}

export interface ChatClient {
  readonly url: string;
  /** One call, no retries; errors as of `postJson`, also for one that a server or router wraps into 200. */
  complete(request: ChatRequest, sampling: EndpointSampling, signal: AbortSignal): Promise<ChatReply | NoReply>;
}

export interface ChatClientOptions extends Pick<EndpointSettings, 'baseUrl' | 'model' | 'extraBody'> {
  /** `max_tokens` unless given. */
  readonly maxTokensField?: EndpointSettings['maxTokensField'];
  /** For messages; the URL unless given. */
  readonly who?: string;
  readonly apiKey: string | undefined;
}

/** Text in parts, as some servers give it; other parts, such as thoughts, are not what the model says. */
const textParts = z.array(z.looseObject({ type: z.string(), text: z.string().optional() }));

/** Only what is read: an id or a count that is odd is no reason to drop a reply. */
const completion = z.looseObject({
  id: z.string().catch(''),
  choices: z
    .array(
      z.looseObject({
        message: z.looseObject({
          content: z.union([z.string(), textParts]).nullish(),
          reasoning_content: z.string().nullish(),
          reasoning: z.string().nullish(),
        }),
        finish_reason: z.string().nullish(),
      }),
    )
    .min(1),
});

const count = z.number().min(0).catch(0);
const spending = z.looseObject({ usage: z.looseObject({ prompt_tokens: count, completion_tokens: count }) });

/** `max_tokens` is what some servers in front of other APIs pass on. */
const limits: readonly unknown[] = ['length', 'max_tokens'];

/** The chat completions API, as OpenAI, vLLM, SGLang and others serve it: https://platform.openai.com/docs/api-reference/chat. */
export function createChatClient(options: ChatClientOptions): ChatClient {
  const { model, extraBody, apiKey, maxTokensField = 'max_tokens' } = options;
  const url = `${trimEnd(options.baseUrl, '/')}/chat/completions`;
  const who = options.who ?? url;
  return {
    url,
    async complete({ messages, schema }, { temperature, topP, topK, seed, maxTokens }, signal) {
      const body = JSON.stringify({
        model,
        messages,
        ...(temperature !== undefined && { temperature }),
        [maxTokensField]: maxTokens,
        ...(topP !== undefined && { top_p: topP }),
        ...(topK !== undefined && { top_k: topK }),
        ...(seed !== undefined && { seed }),
        ...(schema !== undefined && {
          response_format: { type: 'json_schema', json_schema: { ...schema, strict: true } },
        }),
        ...extraBody,
      });
      return replyOf(await postJson({ who, url, apiKey }, body, signal), who, apiKey);
    },
  };
}

function replyOf(text: string, who: string, apiKey: string | undefined): ChatReply | NoReply {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    const problem = `200 and no JSON: ${JSON.stringify(withoutKey(text, apiKey).slice(0, 80))}`;
    return { kind: 'none', problem, promptTokens: 0, completionTokens: 0 };
  }
  const parsed = completion.safeParse(json);
  const { message, finish_reason: finish } = parsed.data?.choices[0] ?? {};
  const said = textOf(message?.content).toWellFormed();
  // A reply that can be read is one, whatever stands next to it.
  const error = said === '' || finish === 'error' ? errorInBody(json, who, apiKey) : undefined;
  if (error !== undefined) throw error;
  const usage = spending.safeParse(json).data?.usage;
  const spent = { promptTokens: usage?.prompt_tokens ?? 0, completionTokens: usage?.completion_tokens ?? 0 };
  if (!parsed.success) {
    const [first] = parsed.error.issues;
    const problem = `200 and no chat completion: ${first?.path.join('.') ?? ''}: ${first?.message ?? 'malformed'}`;
    return { kind: 'none', problem, ...spent };
  }
  const cut = limits.includes(finish);
  return {
    kind: 'reply',
    id: parsed.data.id,
    text: said,
    cut,
    filtered: finish === 'content_filter',
    wrote: spent.completionTokens > 0 || cut || Boolean(message?.reasoning ?? message?.reasoning_content),
    ...spent,
  };
}

function textOf(content: string | z.output<typeof textParts> | null | undefined): string {
  if (typeof content === 'string') return content;
  return (content ?? [])
    .map(({ type, text }) => (type === 'text' || type === 'output_text' ? (text ?? '') : ''))
    .join('');
}
