import type { CallToolResult } from '@modelcontextprotocol/server';
import { deadlineSignal } from '#platform/async/deadline-signal.ts';
import { TransientError, errorFrom } from '#platform/errors.ts';
import type { Logger } from '#platform/telemetry/logging.ts';

export interface ToolLimits {
  readonly log: Logger;
  readonly timeoutMs: number;
}

/** A tool's answer: one JSON text. What fails is an answer too, that says what went wrong and what to do. */
export async function toolAnswer(
  name: string,
  { log, timeoutMs }: ToolLimits,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<object>,
): Promise<CallToolResult> {
  try {
    using deadline = deadlineSignal(signal, timeoutMs, name);
    return { content: [{ type: 'text', text: JSON.stringify(await work(deadline.signal)) }] };
  } catch (thrown) {
    const error = errorFrom(thrown);
    if (error.code === 'internal')
      log.error({ err: thrown, tool: name }, 'a tool failed because of a fault in this service');
    const text =
      error instanceof TransientError
        ? `${error.message}; try again in ${Math.max(1, Math.ceil(error.retryAfterMs / 1_000))} s`
        : error.message;
    return { isError: true, content: [{ type: 'text', text }] };
  }
}
