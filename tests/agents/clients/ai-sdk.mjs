// Vercel's AI SDK: its own loop over tools.
import { text } from 'node:stream/consumers';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, stepCountIs, tool } from 'ai';
import { z } from 'zod';

const { data } = JSON.parse(await text(process.stdin));
const { OPENAI_BASE_URL: baseURL, OPENAI_API_KEY: apiKey } = process.env;
await generateText({
  model: createOpenAICompatible({ name: 'policy', baseURL, apiKey })('any'),
  system: 'Use the tool.',
  prompt: data.question,
  tools: {
    birthplace: tool({
      inputSchema: z.object({ of: z.string() }),
      execute: () => 'Ostwick Marrow, Verland Coast',
    }),
  },
  stopWhen: stepCountIs(5),
});
