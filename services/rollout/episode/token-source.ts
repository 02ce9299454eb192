import type { TokenizeResponse } from '#proto/policy/v1/policy_pb.ts';

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

/**
 * Tokens of prompts and environment text, from the policy service. The samples of a group share their prompt and often
 * their search results, so what was tokenised lately is kept, up to `maxBytes`.
 */
export function createTokenSource(
  tokenize: (request: { text: string }, options: { signal: AbortSignal }) => Promise<TokenizeResponse>,
  options: { readonly maxBytes: number },
): TokenSource {
  const entries = new Map<string, Entry>();
  let bytes = 0;

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
      const { tokenIds, tokenizerHash } = await tokenize({ text }, { signal });
      const value = { tokenIds, tokenizerHash };
      keep(text, value);
      return value;
    },
  };
}
