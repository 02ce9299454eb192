/**
 * Serves the tools of one file as an MCP server over stdio, in a process of its own: `tool-file-host.ts FILE`. What the file prints goes
 * to stderr: stdout carries the protocol.
 */
import { createWriteStream, existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { type CallToolResult, Server } from '@modelcontextprotocol/server';
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';
import { type Threw, threwKey } from './tool-errors.ts';
import { describeThrown, UserCodeError } from '#user-code/user-code-error.ts';
import { resolveForUsers } from '#user-code/user-imports.ts';

interface Loaded {
  readonly description: string;
  readonly inputSchema: { readonly type: 'object' };
  run(args: unknown, io: { readonly signal: AbortSignal }): Promise<CallToolResult>;
}

const longestTrace = 8192;
const file = resolve(process.argv[2] ?? '');
const protocol = createWriteStream('', { fd: 1 });
Object.defineProperty(process, 'stdout', { get: () => process.stderr });

resolveForUsers('gradus/tools', import.meta.resolve('./define-tools.ts'));

async function load(): Promise<ReadonlyMap<string, Loaded>> {
  if (!existsSync(file)) throw wrong('there is no such file; check the path in `files`');
  const { default: exported }: { readonly default?: unknown } = await import(pathToFileURL(file).href);
  if (typeof exported !== 'object' || exported === null)
    throw wrong('it has no default export; write: export default tools({ name: { description, input, run } })');
  const found = Object.entries(exported).map(([name, definition]) => [name, loaded(name, definition)] as const);
  if (found.length === 0) throw wrong('its default export has no tools');
  return new Map(found);
}

function wrong(message: string): UserCodeError {
  return new UserCodeError(message, { file });
}

function loaded(name: string, definition: unknown): Loaded {
  const { description, input, run } = objectOf(definition);
  if (typeof description !== 'string') throw wrong(`tool ${name}: its description is not text`);
  if (typeof run !== 'function') throw wrong(`tool ${name}: it has no function 'run'`);
  const { safeParse } = objectOf(input);
  if (typeof safeParse !== 'function')
    throw wrong(`tool ${name}: its input is not a schema; write z.strictObject({ … })`);
  // A schema of the user's own zod has the same shape.
  const schema = input as z.ZodType;
  const { $schema: _draft, ...jsonSchema } = z.toJSONSchema(schema, { io: 'input' });
  if (jsonSchema.type !== 'object')
    throw wrong(`tool ${name}: its input is not an object; write z.strictObject({ … })`);
  return {
    description,
    inputSchema: { ...jsonSchema, type: 'object' },
    async run(args, io) {
      const parsed = schema.safeParse(args);
      if (!parsed.success) return failed(z.prettifyError(parsed.error));
      try {
        return answer(await run.call(definition, parsed.data, io));
      } catch (thrown) {
        const what = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : inspect(thrown);
        const trace = (thrown instanceof Error ? (thrown.stack ?? thrown.message) : inspect(thrown)).slice(
          0,
          longestTrace,
        );
        return {
          ...failed(`tool ${name} of ${file} threw`),
          _meta: { [threwKey]: threwAt(name, what, trace) },
        };
      }
    },
  };
}

/** The first line of the file in the trace is where it happened. */
function threwAt(tool: string, what: string, trace: string): Threw {
  const [, at] = trace.split(`${pathToFileURL(file).href}:`);
  const line = Number.parseInt(at ?? '', 10);
  return {
    message: `tool ${tool} threw ${what.slice(0, 1000)}`,
    file,
    ...(!Number.isNaN(line) && { line }),
    trace,
  };
}

function answer(value: unknown): CallToolResult {
  const { error, ...rest } = objectOf(value);
  if (typeof error === 'string' && Object.keys(rest).length === 0) return failed(error);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (text === undefined) throw new TypeError(`it gave ${inspect(value)}, which is neither text nor JSON`);
  return { content: [{ type: 'text', text }] };
}

function failed(text: string): CallToolResult {
  return { isError: true, content: [{ type: 'text', text }] };
}

function objectOf(value: unknown): Record<string, unknown> {
  // Not a copy: what a schema can do stands on its prototype.
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

const found = await load().catch((thrown: unknown) => {
  process.stderr.write(`${describeThrown(thrown)}\n`);
  process.exit(1);
});
const server = new Server({ name: 'gradus-tools', version: '0.1.0' }, { capabilities: { tools: {} } });
server.setRequestHandler('tools/list', async () => ({
  tools: [...found].map(([name, { description, inputSchema }]) => ({ name, description, inputSchema })),
}));
server.setRequestHandler('tools/call', async ({ params }, { mcpReq: { signal } }) => {
  const tool = found.get(params.name);
  return tool === undefined
    ? failed(`there is no tool ${params.name}`)
    : await tool.run(params.arguments ?? {}, { signal });
});
process.stdin.once('close', () => process.exit());
await server.connect(new StdioServerTransport(process.stdin, protocol));
