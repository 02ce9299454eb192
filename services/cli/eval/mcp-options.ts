import { TerminalError } from '#platform/errors.ts';
import { tools } from '#environments/tools/index.ts';

/** Options of `gradus eval` that say which server has the tools. */
export interface McpOptions {
  /** URL of a server over streamable HTTP, or the command line of one over stdio. */
  readonly mcp?: string;
  /** Of that server; the others of it are not shown. */
  readonly tool?: readonly string[];
}

/** What clients of web searches know: Serper's names. */
const searchTools = ['google_search', 'scrape'] as const;

/** The environment that plays rows with the tools of an MCP server; undefined where none is named. */
export function mcpEnvironment(
  { mcp, tool = [] }: McpOptions,
  environment: string | undefined,
): { readonly name: string; readonly options: Readonly<Record<string, unknown>> } | undefined {
  if (mcp === undefined) {
    if (tool.length === 0) return undefined;
    throw new TerminalError('invalid_argument', `--tool ${tool[0] ?? ''} needs --mcp SERVER`);
  }
  if (environment !== undefined && environment !== tools.name)
    throw new TerminalError(
      'invalid_argument',
      `--mcp ${mcp}: tools of a server are played by environment ${tools.name}; leave --environment ${environment} out`,
    );
  const isUrl = /^https?:\/\//.test(mcp);
  const words = mcp.split(' ').filter((word) => word !== '');
  if (words.length === 0)
    throw new TerminalError(
      'invalid_argument',
      '--mcp: empty; give the URL of a server, or the command that starts one',
    );
  const server = { name: 'server', ...(isUrl ? { url: mcp } : { command: words, directory: process.cwd() }) };
  return { name: tools.name, options: { servers: [server], allow: tool.length > 0 ? tool : searchTools } };
}
