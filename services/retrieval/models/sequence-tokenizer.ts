import type { Tokenizer } from '@huggingface/tokenizers';

/** What a model reads: ids with special tokens, and which of two texts each belongs to. */
export interface Sequence {
  readonly ids: readonly number[];
  readonly types: readonly number[];
}

export interface SequenceTokenizer {
  /** `text` cut to `maxTokens` with special tokens. */
  single(text: string): Sequence;
  /** The longer of both is cut first (`longest_first` of the transformers library). */
  pair(first: string, second: string): Sequence;
}

interface Piece {
  readonly ids: readonly number[];
  readonly types: readonly number[];
}

/** No word piece is shorter than one character, and few texts have more than this many characters a token. */
const charactersPerToken = 16;

/**
 * Cuts before the special tokens are put around, as Python does. What the tokenizer puts where is learnt from a probe, so
 * that every kind of post-processor works.
 */
export function createSequenceTokenizer(tokenizer: Tokenizer, maxTokens: number): SequenceTokenizer {
  const contentIds = (text: string): readonly number[] => tokenizer.encode(text, { add_special_tokens: false }).ids;
  const one = probe('a');
  const two = probe('a', 'a');

  function probe(text: string, other?: string): Piece[] {
    const { ids, token_type_ids: types } = tokenizer.encode(text, {
      ...(other === undefined ? {} : { text_pair: other }),
      return_token_type_ids: true,
    });
    const content = contentIds(text);
    const pieces: Piece[] = [];
    let from = 0;
    for (let texts = other === undefined ? 1 : 2; texts > 0; texts -= 1) {
      const at = find(ids, content, from);
      const end = at + content.length;
      pieces.push(
        { ids: ids.slice(from, at), types: types.slice(from, at) },
        { ids: [], types: types.slice(at, at + 1) },
      );
      from = end;
    }
    pieces.push({ ids: ids.slice(from), types: types.slice(from) });
    return pieces;
  }

  const specials = (pieces: readonly Piece[]): number => pieces.reduce((sum, { ids }) => sum + ids.length, 0);

  /** Up to `most` ids of the text, without reading much more of a long one than they need. */
  function headIds(text: string, most: number): readonly number[] {
    for (let characters = charactersPerToken * (most + 1); characters < text.length; characters *= 4) {
      // A cut at a space cuts no word.
      const end = text.lastIndexOf(' ', characters);
      if (end <= 0) break;
      const ids = contentIds(text.slice(0, end));
      if (ids.length >= most) return ids.slice(0, most);
    }
    return contentIds(text).slice(0, most);
  }

  function assemble(pieces: readonly Piece[], contents: readonly (readonly number[])[]): Sequence {
    const ids: number[] = [];
    const types: number[] = [];
    pieces.forEach((piece, at) => {
      const isContent = at % 2 === 1;
      const add = isContent ? (contents[(at - 1) / 2] ?? []) : piece.ids;
      for (let index = 0; index < add.length; index += 1) {
        ids.push(add[index] ?? 0);
        types.push(piece.types[isContent ? 0 : index] ?? 0);
      }
    });
    return { ids, types };
  }

  let lastFirst: { readonly text: string; readonly ids: readonly number[] } | undefined;
  /** All candidates of a query come one after the other. */
  function firstIds(text: string): readonly number[] {
    if (lastFirst?.text !== text) lastFirst = { text, ids: headIds(text, maxTokens) };
    return lastFirst.ids;
  }

  return {
    single: (text) => assemble(one, [headIds(text, Math.max(0, maxTokens - specials(one)))]),
    pair(first, second) {
      const room = Math.max(0, maxTokens - specials(two));
      const a = firstIds(first);
      const b = headIds(second, maxTokens);
      // Of two texts that both are cut, the one that was longer in full may keep one token more.
      const cut = a.length === maxTokens && b.length === maxTokens;
      const [forFirst, forSecond] = cut
        ? shareLength(contentIds(first).length, contentIds(second).length, room)
        : shareLength(a.length, b.length, room);
      return assemble(two, [a.slice(0, forFirst), b.slice(0, forSecond)]);
    },
  };
}

/** First position at or after `from` where `part` stands in `all`. */
function find(all: readonly number[], part: readonly number[], from: number): number {
  let at = from;
  while (at + part.length < all.length && !part.every((id, offset) => all[at + offset] === id)) at += 1;
  return at;
}

/**
 * How many tokens of two texts stay when both may have `room` together: the longer gives first, then both alike, and of
 * an odd number the longer gets one more (`longest_first` of the tokenizers library).
 */
export function shareLength(first: number, second: number, room: number): readonly [number, number] {
  if (first + second <= room) return [first, second];
  const shorter = Math.min(first, second);
  const keptShorter = Math.min(shorter, Math.floor(room / 2));
  const keptLonger = room - keptShorter;
  return first > second ? [keptLonger, keptShorter] : [keptShorter, keptLonger];
}
