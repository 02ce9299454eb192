import { z } from 'zod';
import { CancelledError, TerminalError, TransientError, cancelledFrom } from '#shared/errors.ts';

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
  /**
   * One call. `TransientError`: 408, 425, 429 (resource_exhausted) and 5xx, with Retry-After; no connection, or one that
   * was cut. `TerminalError`: other 4xx. A reply that is none (200 without a message) has an empty text.
   */
  complete(request: ChatRequest, signal: AbortSignal): Promise<ChatReply>;
}

/** A reply of 512 tokens has some kilobytes; one without end must not fill the memory. */
const maxReplyBytes = 1 << 20;
const maxErrorCharacters = 200;

const completion = z.looseObject({
  id: z.string().default(''),
  choices: z.array(z.looseObject({ message: z.looseObject({ content: z.string().nullish() }).nullish() })).default([]),
  usage: z
    .looseObject({ prompt_tokens: z.number().min(0).default(0), completion_tokens: z.number().min(0).default(0) })
    .nullish(),
});

/** The chat completions API over the platform's fetch: https://platform.openai.com/docs/api-reference/chat. */
export function createChatClient(options: ChatClientOptions): ChatClient {
  const { who, apiKey } = options;
  const url = `${options.baseUrl.replace(/\/+$/, '')}/chat/completions`;
  const headers = {
    'content-type': 'application/json',
    ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
  };

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
    async complete(request, signal) {
      try {
        const response = await fetch(url, {
          method: 'POST',
          headers,
          body: bodyOf(request),
          signal,
          // The key goes where the settings say, nowhere else.
          redirect: 'error',
        });
        const text = await readBounded(response, who);
        if (!response.ok) throw errorOf(response, withoutKey(text, apiKey), who);
        return replyOf(text);
      } catch (thrown) {
        if (signal.aborted) throw cancelledFrom(signal.reason);
        if (thrown instanceof TransientError || thrown instanceof TerminalError || thrown instanceof CancelledError)
          throw thrown;
        // fetch has one error for everything that goes wrong on the wire, with the reason inside.
        throw new TransientError('unavailable', `${who} cannot be reached: ${reasonOf(thrown)}`, {
          cause: thrown,
          retryAfterMs: 0,
        });
      }
    },
  };
}

function withoutKey(text: string, key: string | undefined): string {
  return key === undefined ? text : text.replaceAll(key, '***');
}

function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return thrown.cause instanceof Error && thrown.cause.message !== '' ? thrown.cause.message : thrown.message;
}

async function readBounded(response: Response, who: string): Promise<string> {
  if (response.body === null) return '';
  const decoder = new TextDecoder();
  let bytes = 0;
  let text = '';
  // Leaving the loop early cancels the rest of the body.
  for await (const chunk of response.body) {
    bytes += chunk.byteLength;
    if (bytes > maxReplyBytes) {
      throw new TerminalError('internal', `${who} answered with more than ${maxReplyBytes} bytes`);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
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

function errorOf(response: Response, body: string, who: string): TransientError | TerminalError {
  const { status } = response;
  // Some endpoints repeat the key in what they say about it.
  const said = status === 401 || status === 403 ? '' : `: ${body.slice(0, maxErrorCharacters)}`;
  const message = `${who} answered ${status}${said}`;
  const details = { status };
  const retryAfterMs = parseRetryAfter(response.headers.get('retry-after'), Date.now()) ?? 0;
  if (status === 429) return new TransientError('resource_exhausted', message, { details, retryAfterMs });
  if (status >= 500 || status === 408 || status === 425) {
    return new TransientError('unavailable', message, { details, retryAfterMs });
  }
  return new TerminalError('failed_precondition', message, { details });
}

/** Seconds or a date (RFC 9110, 10.2.3), in milliseconds from now; undefined when there is none that can be read. */
export function parseRetryAfter(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined;
  const seconds = Number(value);
  if (value.trim() !== '' && Number.isFinite(seconds)) return seconds < 0 ? undefined : seconds * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
