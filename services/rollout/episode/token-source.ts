import type { MessageInitShape } from '@bufbuild/protobuf';
import type { TokenizeRequestSchema, TokenizeResponse } from '#proto/policy/v1/policy_pb.ts';
import { createCallBatcher } from '#shared/async/call-batcher.ts';

export interface TokenizedText {
  readonly tokenIds: readonly number[];
  /** SHA-256 of the tokenizer.json that made them. */
  readonly tokenizerHash: string;
}

export interface TokenSource {
  tokenize(text: string, signal: AbortSignal): Promise<TokenizedText>;
}

interface Entry {
  readonly value: TokenizedText;
  readonly bytes: number;
}

/** Bound of the policy service. */
const largestBatch = 256;
/** A text of this length travels alone, so that one over the service's bound (1 MiB) fails nobody else's. UTF-16 units. */
const longText = 65_536;

/**
 * Tokens of prompts and environment text, from the policy service. The samples of a group share their prompt and often
 * their search results, so a text is asked for once at a time, and what was tokenised lately is kept, up to `maxBytes`.
 */
export function createTokenSource(
  tokenize: (request: MessageInitShape<typeof TokenizeRequestSchema>) => Promise<TokenizeResponse>,
  options: { readonly maxBytes: number },
): TokenSource {
  const entries = new Map<string, Entry>();
  let bytes = 0;
  const askTogether = createCallBatcher(askFor, largestBatch);
  const askAlone = createCallBatcher(askFor, 1);

  async function askFor(texts: readonly string[]): Promise<readonly TokenizedText[]> {
    const { results, tokenizerHash } = await tokenize({ texts: [...texts] });
    return results.map(({ tokenIds }) => ({ tokenIds, tokenizerHash }));
  }

  function keep(text: string, value: TokenizedText): void {
    // Strings take up to two bytes a character, numbers in a packed array four or eight.
    const entry = { value, bytes: 64 + text.length * 2 + value.tokenIds.length * 8 };
    const before = entries.get(text);
    if (before !== undefined) bytes -= before.bytes;
    entries.set(text, entry);
    bytes += entry.bytes;
    for (const [oldest, { bytes: size }] of entries) {
      if (bytes <= options.maxBytes) break;
      entries.delete(oldest);
      bytes -= size;
    }
  }

  return {
    async tokenize(text, signal) {
      const known = entries.get(text);
      if (known !== undefined) {
        entries.delete(text);
        entries.set(text, known);
        return known.value;
      }
      const value = await (text.length < longText ? askTogether : askAlone)(text, signal);
      keep(text, value);
      return value;
    },
  };
}
