import {
  Client,
  ProtocolError,
  type CallToolResult,
  type ClientOptions,
  type JsonSchemaValidator,
  type JsonSchemaValidatorResult,
  type StreamableHTTPClientTransport,
  type Tool,
} from '@modelcontextprotocol/client';
import { deadlineSignal } from '#platform/async/deadline-signal.ts';
import { untilCancelled } from '#platform/async/sleep.ts';
import { CancelledError, TransientError, cancelledFrom, errorFrom } from '#platform/errors.ts';
import { version } from '#platform/version.ts';
import { UserCodeError } from '#user-code/user-code-error.ts';
import type { ProcessTransport } from './process-transport.ts';

export type McpTransport = ProcessTransport | StreamableHTTPClientTransport;

/** A conversation with one server: `open -> ended`. */
export interface McpSession {
  readonly tools: readonly Tool[];
  /** Why no call can be made any more. */
  readonly ended: string | undefined;
  /**
   * What the server answers, its own errors included. Throws TransientError where it did not answer, CancelledError when `signal`
   * aborted; the answer of such a call is dropped when it comes.
   */
  call(name: string, args: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<CallToolResult>;
  end(reason: string): void;
  close(): Promise<void>;
}

export interface SessionOptions {
  readonly name: string;
  readonly startTimeoutMs: number;
  /** Whether each episode has its own: only the older protocol has sessions over HTTP. */
  readonly stateful: boolean;
}

/** The signal bounds every request; the SDK's own limit would be a second one. */
const unlimitedMs = 2 ** 31 - 1;
/** Calls in a row without an answer in time, after which a server counts as hung. */
const mostLateCalls = 3;
const closeTimeoutMs = 2_000;
const listMaxPages = 64;
/** The schema that a result declares says nothing of what a policy may read. */
const anyResult: NonNullable<ClientOptions['jsonSchemaValidator']> = {
  getValidator<T>(): JsonSchemaValidator<T> {
    const accept = (data: T): JsonSchemaValidatorResult<T> => ({ valid: true, data, errorMessage: undefined });
    return (data) => accept(data as T);
  },
};

/** Connects and lists the tools. Throws what the transport and the SDK throw; the process is gone then. */
export async function startMcpSession(
  transport: McpTransport,
  { name, startTimeoutMs, stateful }: SessionOptions,
  signal: AbortSignal,
): Promise<McpSession> {
  const overHttp = !('failure' in transport);
  const client = new Client(
    { name: 'gradus', version },
    {
      listMaxPages,
      jsonSchemaValidator: anyResult,
      versionNegotiation: { mode: overHttp && !stateful ? 'auto' : 'legacy' },
    },
  );
  let ended: string | undefined;
  let lateCalls = 0;
  const failureOf = (thrown: unknown): string =>
    ('failure' in transport ? transport.failure : undefined) ?? rootMessage(thrown);

  async function close(): Promise<void> {
    ended ??= 'it was closed';
    using deadline = deadlineSignal(undefined, closeTimeoutMs, `closing server ${name}`);
    try {
      if ('terminateSession' in transport) await untilCancelled(transport.terminateSession(), deadline.signal);
    } catch {
      // A server that is gone has no session left.
    }
    await client.close();
  }

  using deadline = deadlineSignal(signal, startTimeoutMs, `the start of server '${name}'`);
  const options = { signal: deadline.signal, timeout: unlimitedMs };
  let tools: readonly Tool[];
  try {
    await untilCancelled(client.connect(transport, options), deadline.signal);
    ({ tools } = await client.listTools(undefined, options));
  } catch (thrown) {
    const late = deadline.signal.aborted && !signal.aborted;
    const failure = late ? `it did not list its tools within ${startTimeoutMs} ms (start_timeout_ms)` : undefined;
    await close();
    if (signal.aborted) throw cancelledFrom(signal.reason);
    if (thrown instanceof UserCodeError) throw thrown;
    throw new SessionFailure(failure ?? failureOf(thrown), late ? undefined : thrown);
  }
  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the SDK's client is no EventTarget.
  client.onclose = () => void (ended ??= failureOf(new Error('the connection was closed')));

  function end(reason: string): void {
    if (ended !== undefined) return;
    ended = reason;
    // Nothing waits for it: anyone who uses the session learns of its end.
    close().catch(() => {});
  }

  return {
    tools,
    get ended() {
      return ended;
    },
    async call(tool, args, callSignal) {
      if (ended !== undefined) throw new TransientError('unavailable', `server '${name}': ${ended}`);
      try {
        const result = await client.callTool(
          { name: tool, arguments: { ...args } },
          { signal: callSignal, timeout: unlimitedMs },
        );
        lateCalls = 0;
        return result;
      } catch (thrown) {
        if (callSignal.aborted) {
          const cancelled = cancelledFrom(callSignal.reason);
          lateCalls += cancelled.code === 'deadline_exceeded' ? 1 : 0;
          if (lateCalls >= mostLateCalls) end(`it gave no answer to ${lateCalls} calls in a row`);
          throw cancelled;
        }
        if (ProtocolError.isInstance(thrown)) {
          lateCalls = 0;
          // It has an opinion of the arguments, which the policy wrote.
          if (thrown.code === invalidParams)
            return { isError: true, content: [{ type: 'text', text: thrown.message }] };
          throw new TransientError('unavailable', `server '${name}', tool ${tool}: ${thrown.message}`, {
            cause: thrown,
          });
        }
        end(failureOf(thrown));
        throw new TransientError('unavailable', `server '${name}': ${ended}`, { cause: thrown });
      }
    },
    end,
    close,
  };
}

const invalidParams = -32_602;

/** Why a session did not come about. */
export class SessionFailure extends Error {
  override readonly name = 'SessionFailure';

  constructor(message: string, cause: unknown) {
    super(message, { cause });
  }
}

/** `fetch failed` says nothing; what lies below it does. */
function rootMessage(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return thrown.cause instanceof Error && !(thrown instanceof CancelledError)
    ? `${thrown.message}: ${rootMessage(thrown.cause)}`
    : errorFrom(thrown).message;
}
