import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { TokenizeResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { createTokenSource } from './token-source.ts';

function counting(maxBytes: number) {
  const asked: string[] = [];
  const source = createTokenSource(
    async ({ texts = [], outsideTexts = [], chats = [] }) => {
      asked.push(
        [
          ...texts,
          ...outsideTexts.map((text) => `outside ${text}`),
          ...chats.map(({ messages }) => `chat of ${messages?.length}`),
        ].join(' '),
      );
      return create(TokenizeResponseSchema, {
        tokenizerHash: 'h',
        chats: chats.map(({ messages = [] }) => ({
          text: 'm',
          turnEndText: 'e',
          turnEndTokenIds: [0],
          tokenIds: [messages.length],
        })),
        outside: outsideTexts.map((text) => ({ text: `plain ${text}`, tokenIds: [text.length] })),
        results: texts.map((text) => ({ tokenIds: Array.from(text, (letter) => letter.codePointAt(0) ?? 0) })),
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
    expect(first).toEqual({ text: 'ab', tokenIds: [97, 98], tokenizerHash: 'h' });
    expect(await source.tokenize('ab', signal)).toBe(first);
    expect(asked).toEqual(['ab']);
  });

  it('keeps text of the outside apart from the same text as it stands', async () => {
    const { asked, source } = counting(10_000);
    const [outside, own] = await Promise.all([
      source.tokenize({ outside: 'ab' }, signal),
      source.tokenize('ab', signal),
    ]);
    expect(outside).toEqual({ text: 'plain ab', tokenIds: [2], tokenizerHash: 'h' });
    expect(own).toEqual({ text: 'ab', tokenIds: [97, 98], tokenizerHash: 'h' });
    expect(await source.tokenize({ outside: 'ab' }, signal)).toBe(outside);
    expect(asked).toEqual(['ab outside ab']);
  });

  it('asks for texts of one moment together, and for one that is on its way already not again', async () => {
    const { asked, source } = counting(0);
    const all = await Promise.all(['ab', 'c', 'ab'].map((text) => source.tokenize(text, signal)));
    expect(all.map(({ tokenIds }) => tokenIds)).toEqual([[97, 98], [99], [97, 98]]);
    expect(asked).toEqual(['ab c']);
  });

  it('lets a text that may be over the bound travel alone', async () => {
    const { asked, source } = counting(0);
    const long = 'x'.repeat(70_000);
    await Promise.all([long, 'a', 'b'].map((text) => source.tokenize(text, signal)));
    expect(asked.toSorted()).toEqual(['a b', long]);
  });

  it('P6: forgets the text that was longest unused once its bytes are over the limit', async () => {
    const { asked, source } = counting(210);
    for (const text of ['a', 'b', 'a', 'c', 'a', 'b']) await source.tokenize(text, signal);
    expect(asked).toEqual(['a', 'b', 'c', 'b']);
  });

  it('asks for texts and messages of one moment together, and gives each its own', async () => {
    const { asked, source } = counting(10_000);
    const hello = { role: 'user', content: 'hello' } as const;
    const inputs = ['a', { messages: [hello] }, 'b', { after: [hello, hello] }, { messages: [hello] }];
    const all = await Promise.all(inputs.map((input) => source.tokenize(input, signal)));
    expect(all.map(({ tokenIds }) => tokenIds)).toEqual([[97], [1], [98], [2], [1]]);
    expect(all[3]).toEqual({ text: 'm', tokenIds: [2], tokenizerHash: 'h', turnEnd: { text: 'e', tokenIds: [0] } });
    expect(asked).toEqual(['a b chat of 1 chat of 2']);
    await source.tokenize({ after: [hello, hello], thinking: false }, signal);
    expect(asked).toHaveLength(1);
    await source.tokenize({ after: [hello, hello], thinking: true }, signal);
    expect(asked).toHaveLength(2);
  });

  it('P6: keeps nothing when it may not', async () => {
    const { asked, source } = counting(0);
    await source.tokenize('a', signal);
    await source.tokenize('a', signal);
    expect(asked).toEqual(['a', 'a']);
  });
});
