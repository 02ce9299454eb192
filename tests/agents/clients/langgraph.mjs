// LangGraph's ready-made ReAct agent over the tools of an MCP server: langgraph.mjs URL.
import { text } from 'node:stream/consumers';
import { tool } from '@langchain/core/tools';
import { createReactAgent } from '@langchain/langgraph/prebuilt';
import { ChatOpenAI } from '@langchain/openai';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const { data } = JSON.parse(await text(process.stdin));
const search = new Client({ name: 'agent', version: '1.0.0' });
await search.connect(new StreamableHTTPClientTransport(new URL(process.argv[2])));
const { tools } = await search.listTools();
const agent = createReactAgent({
  llm: new ChatOpenAI({ model: 'any' }),
  tools: tools.map(({ name, description, inputSchema: schema }) =>
    tool((args) => call(name, args), { name, description, schema }),
  ),
  prompt: 'Use the tools.',
});
await agent.invoke({ messages: [{ role: 'user', content: data.question }] });
await search.close();

async function call(name, args) {
  const { content } = await search.callTool({ name, arguments: args });
  return content.map((part) => part.text).join('\n');
}
