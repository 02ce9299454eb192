import { expect, test } from 'vitest';
import { TerminalError } from '#platform/errors.ts';
import { createRandom } from '#platform/random.ts';
import { readChatCompletion } from './dialects/chat-completions/read.ts';
import { createSession } from './session.ts';

const call = { id: 'c', type: 'function', function: { name: 'look', arguments: '{"a": 1}' } };
const sound = {
  model: 'any',
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: [{ type: 'text', text: 'Who?' }] },
    { role: 'assistant', content: null, tool_calls: [call] },
    { role: 'tool', tool_call_id: 'c', content: 'she' },
  ],
  tools: [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } } }],
  stream: true,
  stream_options: { include_usage: true },
  metadata: { a: 'b' },
};
const junk: readonly unknown[] = [
  null,
  true,
  -1,
  1e300,
  '',
  '\ud800',
  'x'.repeat(3000),
  [],
  {},
  [[]],
  { role: 'user' },
  'tool',
  '__proto__',
];

test('P9: of 5,000 damaged requests each is read or refused by name, and none throws anything else', async () => {
  const random = createRandom(7);
  const pick = <T>(from: readonly T[]): T | undefined => from[random(from.length)];

  /** Changes one thing somewhere within. */
  function damage(value: unknown): unknown {
    if (typeof value !== 'object' || value === null || random(100) < 15) return pick(junk);
    const keys = Object.keys(value);
    const key = pick(keys);
    const entries = Object.entries(value).flatMap(([name, item]): [string, unknown][] => {
      if (name !== key) return [[name, item]];
      if (random(10) === 0) return [];
      return random(10) === 0 ? [[`${name}x`, item]] : [[name, damage(item)]];
    });
    return Array.isArray(value) ? entries.map(([, item]) => item) : Object.fromEntries(entries);
  }

  const seen = new Map<string, number>();
  for (let left = 5_000; left > 0; left -= 1) {
    let body: unknown = structuredClone(sound);
    for (let times = 1 + random(3); times > 0; times -= 1) body = damage(body);
    let outcome = 'read';
    try {
      const read = readChatCompletion(body, { sampling: 'refused', thinking: false });
      const session = createSession('s', 'k', { thinking: false, toolCalls: 'auto' });
      await Promise.race([session.ask(read.call, { lost: false }), session.asked()]);
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(TerminalError);
      const { code, details, message } = thrown as TerminalError;
      expect(code).toBe('invalid_argument');
      expect(message).not.toBe('');
      outcome = String(details['reason']);
    }
    seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
  }
  expect([...seen.keys()].toSorted()).toEqual(['invalid_value', 'read', 'unsupported_parameter', 'unsupported_value']);
});
