// Anthropic's client, and a loop of one's own: streams, and turns as a whole.
import { text } from 'node:stream/consumers';
import Anthropic from '@anthropic-ai/sdk';

const { data } = JSON.parse(await text(process.stdin));
const client = new Anthropic();
const tools = [
  {
    name: 'birthplace',
    input_schema: { type: 'object', properties: { of: { type: 'string' } }, required: ['of'] },
  },
];
const messages = [{ role: 'user', content: data.question }];
const call = { model: 'any', max_tokens: 1024, system: 'Use the tool.', tools };
for (let streams = true; ; streams = false) {
  const { content, stop_reason: why } = streams
    ? await client.messages.stream({ ...call, messages }).finalMessage()
    : await client.messages.create({ ...call, messages });
  messages.push({ role: 'assistant', content });
  if (why !== 'tool_use') break;
  const uses = content.filter(({ type }) => type === 'tool_use');
  const results = uses.map(({ id }) => ({
    type: 'tool_result',
    tool_use_id: id,
    content: 'Ostwick Marrow, Verland Coast',
  }));
  messages.push({ role: 'user', content: results });
}
