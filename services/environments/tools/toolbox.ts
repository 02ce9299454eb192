import type { JsonSchemaType, Tool as McpTool } from '@modelcontextprotocol/client';
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/client/validators/ajv';
import { createSemaphore } from '#platform/async/semaphore.ts';
import { suggest } from '#platform/runtime/suggest.ts';
import type { Tool, ToolResult } from '../kit/tools.ts';
import { UserCodeError, faultInWords } from '#user-code/user-code-error.ts';
import { threwKey, threwOf } from './tool-errors.ts';
import type { McpSession } from './mcp-session.ts';
import type { ToolsOptions } from './options.ts';
import type { ToolServer } from './tool-server.ts';
import { toolResultOf } from './tool-result.ts';

/** The tools of one episode. */
export interface EpisodeTools {
  readonly tools: readonly Tool[];
  close(): Promise<void>;
}

export interface Toolbox {
  /** Opens what the episode needs of its own. Throws UserCodeError for what was set up wrong, TransientError for what may pass. */
  open(signal: AbortSignal): Promise<EpisodeTools>;
  close(): Promise<void>;
}

interface Found {
  readonly server: ToolServer;
  readonly session: McpSession;
  readonly tool: McpTool;
}

export function createToolbox(servers: readonly ToolServer[], options: ToolsOptions): Toolbox {
  const slots = createSemaphore(options.max_sessions);
  const withState = servers.some(({ perEpisode }) => perEpisode);
  const schemas = createSchemaChecks();

  async function sessions(signal: AbortSignal): Promise<readonly (readonly [ToolServer, McpSession])[]> {
    const outcomes = await Promise.allSettled(
      servers.map(
        async (server) => [server, await (server.perEpisode ? server.open(signal) : server.shared(signal))] as const,
      ),
    );
    const opened = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed === undefined) return opened;
    await closeOwn(opened);
    throw failed.reason;
  }

  function listed({ server, session, tool }: Found, name: string): Tool {
    // Says nothing to a policy.
    const { $schema: _dialect, ...parameters } = tool.inputSchema;
    return {
      name,
      about: tool.description ?? tool.title ?? '',
      parameters,
      args: schemas.check(server.name, tool),
      run: async (args, { signal }) => {
        // `args` has been checked by the tool's schema, which is one of an object.
        const given = args as Readonly<Record<string, unknown>>;
        if (!server.perEpisode) return resultOf(await (await server.shared(signal)).call(tool.name, given, signal));
        try {
          return resultOf(await session.call(tool.name, given, signal));
        } catch (thrown) {
          // Nobody knows whether the call was done: a second one could do it twice. The rollout starts again with a new session.
          session.end('a call had no answer, so that its state is unknown');
          throw thrown;
        }
      },
    };
  }

  function resultOf(result: Awaited<ReturnType<McpSession['call']>>): ToolResult {
    const thrown = threwOf.safeParse(result['_meta']?.[threwKey]);
    if (thrown.success) throw new UserCodeError(thrown.data.message, thrown.data);
    return toolResultOf(result, options.max_result_characters);
  }

  return {
    async open(signal) {
      const release = withState ? await slots.acquire(signal) : undefined;
      let opened: readonly (readonly [ToolServer, McpSession])[] = [];
      async function close(): Promise<void> {
        try {
          await closeOwn(opened);
        } finally {
          release?.();
        }
      }
      try {
        opened = await sessions(signal);
        const all = opened.flatMap(([server, session]) => session.tools.map((tool) => ({ server, session, tool })));
        const tools = chosen(all, options).map((found, _index, those) => listed(found, nameAmong(found, those)));
        return { tools, close };
      } catch (thrown) {
        await close();
        throw thrown;
      }
    },
    async close() {
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}

async function closeOwn(opened: readonly (readonly [ToolServer, McpSession])[]): Promise<void> {
  await Promise.all(opened.map(async ([{ perEpisode }, session]) => (perEpisode ? await session.close() : undefined)));
}

function chosen(all: readonly Found[], { allow, max_tools: most }: ToolsOptions): readonly Found[] {
  const namesOf = ({ server, tool }: Found): readonly string[] => [tool.name, `${server.name}.${tool.name}`];
  const allowed = allow === undefined ? all : all.filter((found) => namesOf(found).some((one) => allow.includes(one)));
  const known = new Set(all.flatMap(namesOf));
  const [unknown] = (allow ?? []).filter((one) => !known.has(one));
  if (unknown !== undefined) {
    const meant = suggest(unknown, [...known]);
    throw faultInWords(
      `environment.options.allow: no server has a tool '${unknown}'${meant === undefined ? '' : `; did you mean ${meant}?`}`,
    );
  }
  if (allowed.length === 0) throw faultInWords('the servers have no tools');
  if (allowed.length <= most) return allowed;
  const counts = Map.groupBy(allowed, ({ server }) => server.name);
  const each = [...counts].map(([name, { length }]) => `${name}: ${length}`).join(', ');
  throw faultInWords(
    `there are ${allowed.length} tools (${each}), and at most max_tools (${most}) may be; name in environment.options.allow those that the policy may call, or raise max_tools`,
  );
}

function nameAmong({ server, tool }: Found, all: readonly Found[]): string {
  const isOnly = all.filter(({ tool: { name } }) => name === tool.name).length === 1;
  return isOnly ? tool.name : `${server.name}_${tool.name}`;
}

type ArgumentCheck = Tool['args'];

/** Checks compiled once for each schema. */
function createSchemaChecks() {
  const validator = new AjvJsonSchemaValidator();
  const checks = new Map<string, ArgumentCheck>();

  function compile(server: string, { name, inputSchema }: McpTool): ArgumentCheck {
    try {
      // It came as JSON, in which nothing is undefined.
      const validate = validator.getValidator<unknown>(inputSchema as JsonSchemaType);
      return {
        safeParse(value) {
          const { valid, data } = validate(value);
          return valid ? { success: true, data } : { success: false };
        },
      };
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw faultInWords(`server '${server}', tool ${name}: its inputSchema is not JSON schema: ${why}`, cause);
    }
  }

  return {
    check(server: string, tool: McpTool): ArgumentCheck {
      const key = JSON.stringify(tool.inputSchema);
      const known = checks.get(key);
      if (known !== undefined) return known;
      const compiled = compile(server, tool);
      // A server that lists other schemas each time must not fill the memory.
      if (checks.size < 4096) checks.set(key, compiled);
      return compiled;
    },
  };
}
