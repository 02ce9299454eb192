import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ChatSchema, TokenizeRequestSchema, TokenizeResponse } from '#proto/policy/v1/policy_pb.ts';
import { formatTags } from '#environments/kit/codec.ts';
import type { TokenPrompt } from '#environments/kit/environment.ts';
import { createCallBatcher } from '#platform/async/call-batcher.ts';
import { chatToProto } from '#chat/chat-proto.ts';
import type { Continuation, Conversation } from '#chat/conversation.ts';

export interface TokenizedText {
  /** What was tokenised: of messages, as the model's template renders them. */
  readonly text: string;
  readonly tokenIds: readonly number[];
  /** Ends the model's turn where the turn does not end with it; of what continues a conversation. */
  readonly turnEnd?: { readonly text: string; readonly tokenIds: readonly number[] };
  /** SHA-256 of the tokenizer.json that made them. */
  readonly tokenizerHash: string;
}

/** Text of code that nobody has vouched for: control tokens in it lose their meaning, tags of the formats keep it. */
export interface OutsideText {
  readonly outside: string;
}

type Input = string | OutsideText | Conversation | Continuation | TokenPrompt;

export interface TokenSource {
  /** Tokens that are given stay as they are, and get their text. */
  tokenize(input: Input, signal: AbortSignal): Promise<TokenizedText>;
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

  async function askFor(keys: readonly string[]): Promise<readonly TokenizedText[]> {
    const texts = keys.filter((key) => kindOf(key) === 'text').map((key) => key.slice(1));
    const outsideTexts = keys.filter((key) => kindOf(key) === 'outside').map((key) => key.slice(1));
    const chats = keys.filter((key) => kindOf(key) === 'chat').map(chatOf);
    const lists = keys.filter((key) => kindOf(key) === 'ids').map((key) => idsOf(key));
    const given = {
      texts,
      chats,
      tokenIds: lists.map((ids) => ({ ids })),
      ...(outsideTexts.length > 0 && { outsideTexts, formatTags: [...formatTags] }),
    };
    const { results, outside, chats: rendered, decoded, tokenizerHash } = await tokenize(given);
    const ofTexts = texts.map((text, at): TokenizedText => ({
      text,
      tokenIds: results[at]?.tokenIds ?? [],
      tokenizerHash,
    }));
    const ofChats = rendered.map(({ text, tokenIds, turnEndText, turnEndTokenIds }): TokenizedText => ({
      text,
      tokenIds,
      tokenizerHash,
      turnEnd: { text: turnEndText, tokenIds: turnEndTokenIds },
    }));
    const ofOutside = outside.map(({ text, tokenIds }): TokenizedText => ({ text, tokenIds, tokenizerHash }));
    const ofIds = lists.map((tokenIds, at): TokenizedText => ({ text: decoded[at] ?? '', tokenIds, tokenizerHash }));
    const next = { text: ofTexts.values(), outside: ofOutside.values(), chat: ofChats.values(), ids: ofIds.values() };
    return keys.flatMap((key) => next[kindOf(key)].next().value ?? []);
  }

  function keep(key: string, value: TokenizedText): void {
    // Strings take up to two bytes a character, numbers in a packed array four or eight.
    const entry = { value, bytes: 64 + (key.length + value.text.length) * 2 + value.tokenIds.length * 8 };
    const before = entries.get(key);
    if (before !== undefined) bytes -= before.bytes;
    entries.set(key, entry);
    bytes += entry.bytes;
    for (const [oldest, { bytes: size }] of entries) {
      if (bytes <= options.maxBytes) break;
      entries.delete(oldest);
      bytes -= size;
    }
  }

  return {
    async tokenize(input, signal) {
      const key = keyOf(input);
      const known = entries.get(key);
      if (known !== undefined) {
        entries.delete(key);
        entries.set(key, known);
        return known.value;
      }
      const value = await (key.length < longText ? askTogether : askAlone)(key, signal);
      keep(key, value);
      return value;
    },
  };
}

/** `T` or `O` and a text, `I` and ids, or `C` and a chat in JSON. */
function keyOf(input: Input): string {
  if (typeof input === 'string') return `T${input}`;
  if ('tokenIds' in input) return `I${input.tokenIds.join()}`;
  return 'outside' in input ? `O${input.outside}` : `C${JSON.stringify(chatToProto(input))}`;
}

function kindOf(key: string): 'text' | 'outside' | 'chat' | 'ids' {
  if (key.startsWith('O')) return 'outside';
  if (key.startsWith('I')) return 'ids';
  return key.startsWith('C') ? 'chat' : 'text';
}

function idsOf(key: string): number[] {
  return key === 'I' ? [] : key.slice(1).split(',').map(Number);
}

function chatOf(key: string): MessageInitShape<typeof ChatSchema> {
  // Written by `keyOf`.
  return JSON.parse(key.slice(1)) as MessageInitShape<typeof ChatSchema>;
}
