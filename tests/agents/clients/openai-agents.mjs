// OpenAI's Agents SDK, over chat completions.
import { text } from 'node:stream/consumers';
import { Agent, run, setOpenAIAPI, setTracingDisabled, tool } from '@openai/agents';
import { z } from 'zod';

const { data } = JSON.parse(await text(process.stdin));
setOpenAIAPI('chat_completions');
setTracingDisabled(true);
const birthplace = tool({
  name: 'birthplace',
  description: 'Where somebody was born.',
  parameters: z.object({ of: z.string() }),
  execute: () => 'Ostwick Marrow, Verland Coast',
});
await run(
  new Agent({ name: 'finder', model: 'any', instructions: 'Use the tool.', tools: [birthplace] }),
  data.question,
);
