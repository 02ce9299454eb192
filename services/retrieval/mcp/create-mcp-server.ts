/** The tools over one retriever: ours, and the aliases that agents written for Serper's MCP server expect. */
import { McpServer } from '@modelcontextprotocol/server';
import { version } from '#platform/version.ts';
import type { Finder } from '../http/find.ts';
import { googleSearch } from './google-search.ts';
import { scrape } from './scrape.ts';
import { toolAnswer, type ToolLimits } from './tool-answer.ts';
import { googleSearchInput, scrapeInput, websearchInput } from './tool-schemas.ts';
import { websearch } from './websearch.ts';

const readOnly = { readOnlyHint: true, idempotentHint: true, openWorldHint: false };

export function createMcpServer(finder: Finder, bounds: ToolLimits): McpServer {
  const server = new McpServer(
    { name: 'gradus-retrieval', version },
    { capabilities: { tools: { listChanged: false } } },
  );
  server.registerTool(
    'websearch',
    {
      description: 'Searches the corpus. Gives ids, titles and previews; read a document with scrape.',
      inputSchema: websearchInput,
      annotations: readOnly,
    },
    (args, { mcpReq }) => toolAnswer('websearch', bounds, mcpReq.signal, (signal) => websearch(finder, args, signal)),
  );
  server.registerTool(
    'google_search',
    {
      description:
        'Searches the corpus, in the form of a web search. Gives links and snippets; read a link with scrape.',
      inputSchema: googleSearchInput,
      annotations: readOnly,
    },
    (args, { mcpReq }) =>
      toolAnswer('google_search', bounds, mcpReq.signal, (signal) => googleSearch(finder, args, signal)),
  );
  server.registerTool(
    'scrape',
    {
      description:
        'Gives a document of the corpus in full, by the id that websearch or the link that google_search gave.',
      inputSchema: scrapeInput,
      annotations: readOnly,
    },
    (args, { mcpReq }) => toolAnswer('scrape', bounds, mcpReq.signal, (signal) => scrape(finder, args, signal)),
  );
  return server;
}
