import { z } from 'zod';
import { CancelledError, TerminalError, TransientError, cancelledFrom } from '../errors.ts';

export interface PostOptions {
  /** For messages. */
  readonly who: string;
  readonly url: string;
  /** Sent as a bearer token, and shown in no message. */
  readonly apiKey: string | undefined;
}

/** A reply has some kilobytes; one without end must not fill the memory. */
const maxReplyBytes = 1 << 20;
const maxErrorCharacters = 300;
const maxDetailCharacters = 4096;

/** The text that a server answers to a JSON body; see `callHttp`. */
export async function postJson(options: PostOptions, body: string, signal: AbortSignal): Promise<string> {
  return await callHttp(options, { method: 'POST', body }, signal);
}

export interface HttpCall {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** JSON. */
  readonly body?: string;
}

/**
 * The text that a server answers, by the platform's fetch. `TransientError`: 408, 425, 429 (resource_exhausted)
 * and 5xx, with Retry-After; no connection, or one that was cut. `TerminalError`: other 4xx, and a redirect; `internal` for a reply
 * of more than a mebibyte. `CancelledError` when `signal` aborts. `details` of an answer that is an error: its `status`, and the `body` without the key.
 */
export async function callHttp(
  { who, url, apiKey }: PostOptions,
  { method, body }: HttpCall,
  signal: AbortSignal,
): Promise<string> {
  try {
    const response = await fetch(url, {
      method,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
      },
      ...(body !== undefined && { body }),
      signal,
      // The key goes where the settings say, nowhere else.
      redirect: 'manual',
    });
    const text = await readBounded(response, who);
    if (response.ok) return text;
    const { status, headers } = response;
    const location = headers.get('location');
    if (location !== null && status >= 300 && status < 400) throw redirected(status, withoutKey(location, apiKey), who);
    const retryAfterMs = parseRetryAfter(headers.get('retry-after'), Date.now());
    throw errorOfStatus({ status, body: withoutKey(text, apiKey), who, retryAfterMs });
  } catch (thrown) {
    if (signal.aborted) throw cancelledFrom(signal.reason);
    if (thrown instanceof TransientError || thrown instanceof TerminalError || thrown instanceof CancelledError)
      throw thrown;
    // fetch has one error for everything that goes wrong on the wire, with the reason inside.
    throw new TransientError('unavailable', `${who} cannot be reached: ${withoutKey(reasonOf(thrown), apiKey)}`, {
      cause: thrown,
      retryAfterMs: 0,
    });
  }
}

/** For text that a server wrote, before it is cut: the key in it becomes `***`, also where JSON escapes some of its signs, as PHP does with slashes. */
export function withoutKey(text: string, key: string | undefined): string {
  if (key === undefined || key === '') return text;
  const signs = Array.from(key, (sign) => {
    const code = sign.charCodeAt(0).toString(16).padStart(4, '0');
    return String.raw`(?:\\{0,3}\u${code}|\\{1,3}u(?:${code}|${code.toUpperCase()}))`;
  });
  return text.replaceAll(new RegExp(signs.join(''), 'g'), '***');
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

function redirected(status: number, location: string, who: string): TerminalError {
  return new TerminalError(
    'failed_precondition',
    `${who} answered ${status}: redirects to ${location.slice(0, maxErrorCharacters)}, which is not followed with a key; name that address`,
    { details: { status, body: '' } },
  );
}

/** The error for an answer of this status, which is not 2xx. */
export function errorOfStatus(answer: {
  readonly status: number;
  /** Without the key. */
  readonly body: string;
  readonly who: string;
  /** Stands behind the status. */
  readonly note?: string;
  readonly retryAfterMs?: number | undefined;
}): TransientError | TerminalError {
  const { status, body, who, note = '', retryAfterMs = 0 } = answer;
  const sentence = sentenceOf(body);
  const message = `${who} answered ${status}${note}${sentence === '' ? '' : `: ${sentence}`}`;
  const details = { status, body: body.slice(0, maxDetailCharacters) };
  if (status === 429) return new TransientError('resource_exhausted', message, { details, retryAfterMs });
  if (status >= 500 || status === 408 || status === 425) {
    return new TransientError('unavailable', message, { details, retryAfterMs });
  }
  return new TerminalError('failed_precondition', message, { details });
}

const errorBody = z.looseObject({
  error: z.union([
    z.string(),
    z.looseObject({ message: z.string(), param: z.string().nullish() }).transform(({ message, param }) =>
      // Some name the field nowhere else.
      typeof param === 'string' && param !== '' && !message.includes(param) ? `${message} (${param})` : message,
    ),
  ]),
});
const flatBody = z.looseObject({ message: z.string() });
const detailBody = z.looseObject({ detail: z.string() });

/** What a server says of an error, as OpenAI, vLLM, SGLang and FastAPI put it, on one line and without anything like a key. */
export function sentenceOf(body: string): string {
  let said = body;
  try {
    const json: unknown = JSON.parse(body);
    said =
      errorBody.safeParse(json).data?.error ??
      flatBody.safeParse(json).data?.message ??
      detailBody.safeParse(json).data?.detail ??
      body;
  } catch {
    // Text for people: it is what was said.
  }
  // Some servers repeat part of the key, with stars in the middle.
  const plain = said.replaceAll(/\S*\*{3,}\S*/g, '***').replaceAll(/\s+/g, ' ');
  return plain.trim().slice(0, maxErrorCharacters);
}

/** Seconds or a date (RFC 9110, 10.2.3), in milliseconds from now; undefined when there is none that can be read. */
export function parseRetryAfter(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined;
  const seconds = Number(value);
  if (value.trim() !== '' && Number.isFinite(seconds)) return seconds < 0 ? undefined : seconds * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
