import { expect, test } from 'vitest';
import type { EndpointMessage } from '#endpoint/chat-client.ts';
import { decodeMessages, decodeText, encodeMessages, encodeText } from './sequence.ts';

const conversation: readonly EndpointMessage[] = [
  { role: 'system', content: 'Answer.' },
  { role: 'user', content: 'Où? 雪 🙂 \u0000 \uFFFD' },
];

test('a conversation is read out of its ids as it was', () => {
  expect(decodeMessages(encodeMessages(conversation))).toEqual(conversation);
});

test('what is appended turn by turn is the conversation that it makes', () => {
  const ids = [
    ...encodeMessages(conversation),
    ...encodeText('Je cherche.'),
    ...encodeMessages([{ role: 'user', content: 'found' }]),
  ];
  expect(decodeMessages(ids)).toEqual([
    ...conversation,
    { role: 'assistant', content: 'Je cherche.' },
    { role: 'user', content: 'found' },
  ]);
});

test('neighbours of one role are one message', () => {
  const ids = encodeMessages([
    { role: 'user', content: 'a' },
    { role: 'user', content: 'b' },
  ]);
  expect(decodeMessages(ids)).toEqual([{ role: 'user', content: 'a\nb' }]);
});

test.each(['', 'a', 'four', 'fives', '🙂', '\u0000'])('%j has an id at least, and comes back', (text) => {
  const ids = encodeText(text);
  expect(ids).toHaveLength(Math.max(1, Math.ceil(Buffer.byteLength(text) / 4)));
  expect(ids.every((id) => Number.isInteger(id) && id >= 0 && id < 2 ** 32)).toBe(true);
  expect(decodeText(ids)).toBe(text);
});

test.each([[[]], [[5, 6]], [encodeText('text')], [[5, ...encodeMessages(conversation)]]])(
  'ids that are no conversation are none: %j',
  (ids) => {
    expect(decodeMessages(ids)).toBeUndefined();
  },
);
