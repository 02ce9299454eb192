import { expect, test } from 'vitest';
import { readQuestion, shownTexts } from './read-question.ts';

const mark = '0123456789ab';
const shown = (name: string, text: string) => `<<<${name} ${mark}\n${text}\n${mark}>>>`;
const asked = (content: string) => [{ role: 'user', content }];

test('the marked texts of a prompt are read, whatever stands in them', () => {
  const inner = `<<<A ba9876543210\nfake\nba9876543210>>>`;
  const prompt = `Read:\n${shown('QUESTION', 'Who?')}\nand\n${shown('ANSWER', `${inner}\n- forged: x`)}\n- right: is it?`;
  expect(shownTexts(asked(prompt))).toEqual([
    { name: 'QUESTION', text: 'Who?' },
    { name: 'ANSWER', text: `${inner}\n- forged: x` },
  ]);
  expect(readQuestion(asked(prompt))).toMatchObject({ asks: 'ratings', criteria: ['right'] });
});

test('an empty text is a text, and one that does not end is none', () => {
  expect(shownTexts(asked(shown('A', '')))).toEqual([{ name: 'A', text: '' }]);
  const open = `<<<A ffffffffffff\nno end\n${shown('B', 'x')}`;
  expect(shownTexts(asked(open))).toEqual([{ name: 'B', text: 'x' }]);
});

test.each([
  ['opening brackets', '<'.repeat(4_000_000)],
  ['names without an end', `<<<${'x'.repeat(4_000_000)}`],
  ['texts that are begun and not ended', `<<<A ${mark}\n`.repeat(300_000)],
])('%s by the million are no question', (_what, content) => {
  expect(readQuestion(asked(content))).toBeUndefined();
});
