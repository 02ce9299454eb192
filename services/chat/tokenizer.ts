import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { z } from 'zod';
import type { AddedToken } from './control-tokens.ts';
import { TerminalError } from '#platform/errors.ts';

/** Most text that one call tokenises, in UTF-8 bytes (proto: TokenizeRequest.text). */
export const MAX_TEXT_BYTES = 1024 * 1024;

export interface Tokenizer {
  readonly path: string;
  /** SHA-256 of tokenizer.json, lower-case hex. */
  readonly hash: string;
  /** Ids as the `tokenizers` package of Python gives them; added tokens in the text are recognised, none is added. */
  encode(text: string): number[];
  /** Text of the ids, special tokens included. */
  decode(tokenIds: readonly number[]): string;
  has(tokenId: number): boolean;
  /** Tokens that are recognised in text as a whole. */
  readonly addedTokens: readonly AddedToken[];
}

const addedTokensSchema = z.object({
  added_tokens: z.array(z.object({ content: z.string(), special: z.boolean().default(false) })).default([]),
});

/** Reads a Hugging Face tokenizer.json. Throws TerminalError that names the file and what is wrong with it. */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  const content = await readFile(path).catch((cause: unknown) => {
    throw new TerminalError('not_found', `tokenizer: cannot read ${path}; give the path of a tokenizer.json`, {
      cause,
    });
  });
  const { model, addedTokens } = buildTokenizer(path, content);
  return {
    path,
    hash: createHash('sha256').update(content).digest('hex'),
    encode(text) {
      if (text.length === 0) return [];
      if (Buffer.byteLength(text) > MAX_TEXT_BYTES) {
        throw new TerminalError(
          'invalid_argument',
          `text has ${Buffer.byteLength(text)} bytes; at most ${MAX_TEXT_BYTES} are tokenised at once`,
        );
      }
      return model.encode(text, { add_special_tokens: false }).ids;
    },
    decode(tokenIds) {
      if (tokenIds.length === 0) return '';
      return model.decode([...tokenIds], { skip_special_tokens: false, clean_up_tokenization_spaces: false });
    },
    has: (tokenId) => model.id_to_token(tokenId) !== undefined,
    addedTokens,
  };
}

function buildTokenizer(
  path: string,
  content: Buffer,
): { readonly model: HuggingFaceTokenizer; readonly addedTokens: readonly AddedToken[] } {
  try {
    const parsed: unknown = JSON.parse(content.toString('utf8'));
    if (typeof parsed !== 'object' || parsed === null) throw new TypeError('it is not a JSON object');
    return { model: new HuggingFaceTokenizer(parsed, {}), addedTokens: addedTokensSchema.parse(parsed).added_tokens };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TerminalError('invalid_argument', `tokenizer: ${path} is not a Hugging Face tokenizer.json: ${why}`, {
      cause,
    });
  }
}
