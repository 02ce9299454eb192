import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { TokenizeResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { createTokenSource } from './token-source.ts';

function counting(maxBytes: number) {
  const asked: string[] = [];
  const source = createTokenSource(
    async ({ text }) => {
      asked.push(text);
      return create(TokenizeResponseSchema, {
        tokenIds: Array.from(text, (letter) => letter.codePointAt(0) ?? 0),
        tokenizerHash: 'h',
      });
    },
    { maxBytes },
  );
  return { asked, source };
}

const { signal } = new AbortController();

describe('token source', () => {
  it('P4: asks once for a text and gives the same tokens again', async () => {
    const { asked, source } = counting(10_000);
    const first = await source.tokenize('ab', signal);
    expect(first).toEqual({ tokenIds: [97, 98], tokenizerHash: 'h' });
    expect(await source.tokenize('ab', signal)).toBe(first);
    expect(asked).toEqual(['ab']);
  });

  it('P6: forgets the text that was longest unused once its bytes are over the limit', async () => {
    const { asked, source } = counting(200);
    for (const text of ['a', 'b', 'a', 'c', 'a', 'b']) await source.tokenize(text, signal);
    expect(asked).toEqual(['a', 'b', 'c', 'b']);
  });

  it('P6: keeps nothing when it may not', async () => {
    const { asked, source } = counting(0);
    await source.tokenize('a', signal);
    await source.tokenize('a', signal);
    expect(asked).toEqual(['a', 'a']);
  });
});
