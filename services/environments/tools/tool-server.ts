import { resolve } from 'node:path';
import { SdkHttpError } from '@modelcontextprotocol/client';
import { untilCancelled } from '#platform/async/sleep.ts';
import { TransientError, cancelledFrom, isGradusError } from '#platform/errors.ts';
import type { UserCodeHost } from '#user-code/user-code-host.ts';
import { createHttpTransport } from './http-transport.ts';
import { SessionFailure, startMcpSession, type McpSession, type McpTransport } from './mcp-session.ts';
import { toolboxName, type ToolsOptions } from './options.ts';
import { UserCodeError, faultInWords } from '#user-code/user-code-error.ts';

import { createProcessTransport } from './process-transport.ts';

/** Where tools come from: an MCP server, or a user's file in a process of ours that speaks MCP. */
export interface ToolServer {
  readonly name: string;
  readonly perEpisode: boolean;
  /** A session of one's own. Throws UserCodeError for what was set up wrong, TransientError for what may pass. */
  open(signal: AbortSignal): Promise<McpSession>;
  /** The session of all, opened again where it ended. */
  shared(signal: AbortSignal): Promise<McpSession>;
  close(): Promise<void>;
}

export function createToolServers(options: ToolsOptions, host: UserCodeHost): ToolServer[] {
  const maxMessageBytes = options.max_message_mebibytes * 2 ** 20;
  const startTimeoutMs = options.start_timeout_ms;
  const ofServers = options.servers.map((server) => {
    const { name, command, directory = '.', url, bearer_variable: bearer } = server;
    const [program, ...args] = command ?? [];
    return createToolServer({ name, perEpisode: server.session === 'per_episode', startTimeoutMs }, () =>
      url !== undefined || program === undefined
        ? createHttpTransport(url ?? '', { maxBytes: maxMessageBytes, bearer: tokenOf(name, bearer, host) })
        : createProcessTransport(
            {
              name,
              command: [program, ...args],
              directory: resolve(directory),
              granted: server.environment,
              memoryMebibytes: server.memory_mebibytes,
              maxMessageBytes,
            },
            host,
          ),
    );
  });
  const ofFiles = options.files.map((file) => {
    const name = toolboxName(file.path);
    const flags = [`--max-old-space-size=${file.memory_mebibytes}`, '--disable-warning=ExperimentalWarning'];
    return createToolServer({ name, perEpisode: file.session === 'per_episode', startTimeoutMs }, () =>
      createProcessTransport(
        {
          name,
          command: [
            process.execPath,
            ...flags,
            '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON',
            resolve(import.meta.dirname, 'tool-file-host.ts'),
            resolve(file.path),
          ],
          directory: process.cwd(),
          granted: file.environment,
          memoryMebibytes: file.memory_mebibytes,
          maxMessageBytes,
        },
        host,
      ),
    );
  });
  return [...ofServers, ...ofFiles];
}

function tokenOf(server: string, variable: string | undefined, { variables }: UserCodeHost): string | undefined {
  if (variable === undefined) return undefined;
  const token = variables[variable];
  if (token !== undefined && token !== '') return token;
  throw faultInWords(`server '${server}': bearer_variable ${variable} is not set in the environment of the worker`);
}

function createToolServer(
  { name, perEpisode, startTimeoutMs }: Pick<ToolServer, 'name' | 'perEpisode'> & { readonly startTimeoutMs: number },
  transport: () => McpTransport,
): ToolServer {
  const stop = new AbortController();
  /** It is set up right, then: what fails later may pass. */
  let worked = false;
  let kept: Promise<McpSession> | undefined;

  async function open(signal: AbortSignal): Promise<McpSession> {
    try {
      const session = await startMcpSession(transport(), { name, startTimeoutMs, stateful: perEpisode }, signal);
      worked = true;
      return session;
    } catch (thrown) {
      if (signal.aborted) throw cancelledFrom(signal.reason);
      if (isGradusError(thrown) || thrown instanceof UserCodeError) throw thrown;
      const message = `server '${name}' could not be used: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
      throw !worked && isSetUpWrong(thrown)
        ? faultInWords(message, thrown)
        : new TransientError('unavailable', message, { cause: thrown });
    }
  }

  return {
    name,
    perEpisode,
    open,
    async shared(signal) {
      if (kept !== undefined) {
        const session = await untilCancelled(kept, signal);
        if (session.ended === undefined) return session;
        kept = undefined;
      }
      kept ??= open(stop.signal).catch((thrown: unknown) => {
        kept = undefined;
        throw thrown;
      });
      return await untilCancelled(kept, signal);
    },
    async close() {
      stop.abort(new TransientError('unavailable', 'the worker stops'));
      const last = kept;
      kept = undefined;
      try {
        await (await last)?.close();
      } catch {
        // It never opened.
      }
    },
  };
}

/** A program that ends before it speaks, or an address that refuses us, will do so again. Silence may pass. */
function isSetUpWrong(thrown: unknown): boolean {
  if (!(thrown instanceof SessionFailure) || thrown.cause === undefined) return false;
  const { cause } = thrown;
  if (SdkHttpError.isInstance(cause)) return cause.status >= 400 && cause.status < 500 && cause.status !== 429;
  return /^it (ended|was ended|printed|sent)|memory_mebibytes/.test(thrown.message);
}
