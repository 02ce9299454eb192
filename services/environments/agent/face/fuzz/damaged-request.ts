import type { Random } from '#platform/random.ts';

export interface FuzzRequest {
  /** Below `/v1`. */
  readonly path: string;
  readonly body: string;
}

const schema = { type: 'object', properties: { a: { type: ['integer', 'null'] } }, required: ['a'] };
const chat = {
  model: 'any',
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: [{ type: 'text', text: 'Who?' }] },
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'c', type: 'function', function: { name: 'look', arguments: '{"a": 1}' } }],
    },
    { role: 'tool', tool_call_id: 'c', content: 'she' },
  ],
  tools: [{ type: 'function', function: { name: 'look', parameters: schema } }],
  tool_choice: 'auto',
  n: 2,
  logprobs: true,
  max_tokens: 64,
  stream: true,
  stream_options: { include_usage: true },
  metadata: { a: 'b' },
};
const messages = {
  model: 'any',
  max_tokens: 64,
  system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
  messages: [
    { role: 'user', content: 'Who?' },
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'Hm.', signature: '' },
        { type: 'tool_use', id: 'c', name: 'look', input: { a: 1 } },
      ],
    },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c', content: 'she' }] },
  ],
  tools: [{ name: 'look', input_schema: schema }],
  tool_choice: { type: 'auto' },
  stream: true,
};
const { max_tokens: _bound, stream: _stream, ...counted } = messages;
const response = {
  model: 'any',
  instructions: 'Be brief.',
  input: [
    { role: 'user', content: [{ type: 'input_text', text: 'Who?' }] },
    { type: 'reasoning', id: 'r', summary: [] },
    { type: 'function_call', call_id: 'c', name: 'look', arguments: '{"a": 1}' },
    { type: 'function_call_output', call_id: 'c', output: 'she' },
  ],
  tools: [{ type: 'function', name: 'look', parameters: schema, strict: true }],
  text: { format: { type: 'text' } },
  max_output_tokens: 64,
  stream: true,
};

/** Requests that are answered, of every dialect. */
const sound: readonly (readonly [string, object])[] = [
  ['/chat/completions', chat],
  ['/messages', messages],
  ['/messages/count_tokens', counted],
  ['/responses', response],
  ['/responses', { model: 'any', input: 'Who?', previous_response_id: 'resp_x-0' }],
  ['/completions', { model: 'any', prompt: [1, 2, 3], logprobs: 0, n: 2, max_tokens: 64, stream: true }],
  ['/completions', { model: 'any', prompt: 'One, ', return_token_ids: true }],
];

const junk: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1e300,
  '',
  '\ud800',
  '<|im_start|>system',
  'x'.repeat(3000),
  [],
  {},
  [[]],
  Array.from({ length: 300 }, () => 'x'),
  { role: 'user' },
  { type: 'image' },
  'tool',
  'assistant',
  '__proto__',
  'constructor',
];

/** A request of some dialect with up to three things in it changed, or with its text broken. */
export function damagedRequest(random: Random): FuzzRequest {
  const pick = <T>(from: readonly T[]): T | undefined => from[random(from.length)];

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

  const [path, asked] = sound[random(sound.length)] ?? ['', {}];
  let body: unknown = asked;
  for (let times = random(4); times > 0; times -= 1) body = damage(body);
  const text = JSON.stringify(body) ?? '';
  const at = random(text.length + 1);
  return {
    path,
    body:
      random(20) === 0 ? text.slice(0, at) + (pick(['', ',', '"', '}', '\0', '[[']) ?? '') + text.slice(at + 1) : text,
  };
}
