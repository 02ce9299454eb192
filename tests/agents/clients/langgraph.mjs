// LangGraph's ready-made ReAct agent.
import { text } from 'node:stream/consumers';
import { tool } from '@langchain/core/tools';
import { createReactAgent } from '@langchain/langgraph/prebuilt';
import { ChatOpenAI } from '@langchain/openai';
import { z } from 'zod';

const { data } = JSON.parse(await text(process.stdin));
const birthplace = tool(() => 'Ostwick Marrow, Verland Coast', {
  name: 'birthplace',
  schema: z.object({ of: z.string() }),
});
const agent = createReactAgent({ llm: new ChatOpenAI({ model: 'any' }), tools: [birthplace], prompt: 'Use the tool.' });
await agent.invoke({ messages: [{ role: 'user', content: data.question }] });
