// LangGraph's ready-made ReAct agent behind a webhook. All that it knows of Gradus: a POST brings a question, a base URL and a key, and the answer
// goes to the session's URL.
//
//     node recipes/agents/langgraph.mjs CORPUS [PORT]
//
// Its tools are those of `gradus mcp`, the search server of a corpus.
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { tool } from '@langchain/core/tools';
import { createReactAgent } from '@langchain/langgraph/prebuilt';
import { ChatOpenAI } from '@langchain/openai';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { z } from 'zod';

const [corpus = 'world/corpus.jsonl', port = '8100'] = process.argv.slice(2);
const server = new Client({ name: 'langgraph', version: '1.0.0' });
await server.connect(new StdioClientTransport({ command: 'gradus', args: ['mcp', '--corpus', corpus, '--log-level', 'warn'] }));

async function ask(name, args) {
  const { content, isError } = await server.callTool({ name, arguments: args });
  if (isError) throw new Error(content[0].text);
  return JSON.parse(content[0].text);
}

const websearch = tool(
  async ({ query }) => {
    const { results } = await ask('websearch', { query, k: 2 });
    return results.map(({ id, title, preview }) => `[${id}] ${title}: ${preview}`).join('\n') || 'nothing found';
  },
  {
    name: 'websearch',
    description: 'Lists documents with their ids and the start of their text.',
    schema: z.object({ query: z.string() }),
  },
);
const scrape = tool(
  async ({ id }) => {
    const { title, text } = await ask('scrape', { id });
    return `${title}: ${text}`;
  },
  { name: 'scrape', description: 'Shows a whole document.', schema: z.object({ id: z.string() }) },
);

async function answer(question, baseURL, apiKey) {
  const llm = new ChatOpenAI({ model: 'policy', apiKey, configuration: { baseURL } });
  const agent = createReactAgent({ llm, tools: [websearch, scrape] });
  const { messages } = await agent.invoke({ messages: [{ role: 'user', content: question }] });
  return /<answer>(.*)<\/answer>/s.exec(messages.at(-1).content)?.[1].trim() ?? '';
}

async function serve(request, response) {
  const { row, base_url: baseUrl, api_key: key, session_url: session } = await json(request);
  response.end('{}');
  const result = await answer(row.data.question, baseUrl, key).then(
    (prediction) => ({ prediction }),
    (error) => ({ failure: error.message }),
  );
  await fetch(`${session}/result`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify(result),
    // The episode may be over: a limit ended it.
  }).catch(() => {});
}

const webhook = createServer((request, response) => void serve(request, response));
webhook.listen(Number(port), '127.0.0.1', () => console.log(`listening at http://127.0.0.1:${webhook.address().port}/`));
