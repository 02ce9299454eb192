import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  buildTimeoutMs,
  tinyEncoders,
  type TinyEncoders,
} from '../../../tests/fixtures/tiny-encoders/tiny-encoders.ts';
import { createSequenceTokenizer, type SequenceTokenizer } from './sequence-tokenizer.ts';

let tiny: TinyEncoders;
let tokenizer: SequenceTokenizer;

function load(directory: string): SequenceTokenizer {
  const content: unknown = JSON.parse(readFileSync(join(directory, 'tokenizer.json'), 'utf8'));
  return createSequenceTokenizer(new Tokenizer(Object(content), {}), 64);
}
beforeAll(async () => {
  tiny = await tinyEncoders();
  tokenizer = load(tiny.encoder);
}, 2 * buildTimeoutMs);

describe('sequence tokenizer', () => {
  it('gives the ids that Python gives: scripts, control characters, emoji, nothing at all, far too much', () => {
    expect(tiny.expected.texts.map((text) => tokenizer.single(text).ids)).toEqual(tiny.expected.ids);
  });

  it('gives the ids and types that Python gives for pairs, also when either half or both are cut or empty', () => {
    const { queries, texts, pairIds } = tiny.expected;
    const given = queries.map((query) =>
      texts.map((text) => {
        const { ids, types } = tokenizer.pair(query, text);
        return [ids, types];
      }),
    );
    expect(given).toEqual(pairIds);
  });

  it.each(['bpe', 'unigram'])('gives the ids that Python gives with a tokenizer of kind %s', (name) => {
    const { texts, queries, others } = tiny.expected;
    const other = load(join(tiny.directory, name));
    expect(texts.map((text) => other.single(text).ids)).toEqual(others[name]?.ids);
    expect(queries.map((query) => texts.map((text) => other.pair(query, text).ids))).toEqual(others[name]?.pairs);
  });

  it('takes text that is not well-formed Unicode', () => {
    expect(tokenizer.single('\uD800 lone').ids.length).toBeGreaterThan(2);
    expect(tokenizer.pair('x\uDC00y', '\uDC00').ids.length).toBeGreaterThan(3);
  });

  it('cuts a text of a million characters as if it were whole, with and without spaces', () => {
    const words = 'one two three '.repeat(80_000);
    expect(tokenizer.single(words).ids).toEqual(tokenizer.single(words.slice(0, 4_000)).ids);
    expect(tokenizer.single(`${' '.repeat(500_000)}word`).ids).toEqual(tokenizer.single('word').ids);
    expect(tokenizer.single('x'.repeat(1_000_000)).ids).toEqual(tokenizer.single('x'.repeat(200)).ids);
  });
});
