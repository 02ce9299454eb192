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
const maxErrorCharacters = 200;
const maxDetailCharacters = 4096;

/**
 * The text that a server answers to a JSON body, by the platform's fetch. `TransientError`: 408, 425, 429 (resource_exhausted)
 * and 5xx, with Retry-After; no connection, or one that was cut. `TerminalError`: other 4xx; `internal` for a reply of more than
 * a mebibyte. `CancelledError` when `signal` aborts. `details` of an answer that is an error: its `status`, and the `body` without the key.
 */
export async function postJson({ who, url, apiKey }: PostOptions, body: string, signal: AbortSignal): Promise<string> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      body,
      signal,
      // The key goes where the settings say, nowhere else.
      redirect: 'error',
    });
    const text = await readBounded(response, who);
    if (!response.ok) throw errorOf(response, withoutKey(text, apiKey), who);
    return text;
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

function errorOf(response: Response, body: string, who: string): TransientError | TerminalError {
  const { status } = response;
  // Some endpoints repeat the key in what they say about it.
  const said = status === 401 || status === 403 ? '' : `: ${body.slice(0, maxErrorCharacters)}`;
  const message = `${who} answered ${status}${said}`;
  const details = { status, body: body.slice(0, maxDetailCharacters) };
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
