import { z } from 'zod';
import { deadlineSignal } from '#platform/async/deadline-signal.ts';
import { CancelledError, TransientError, errorFrom, throwIfCancelled } from '#platform/errors.ts';
import { withToolCall } from '#platform/telemetry/gen-ai.ts';
import type { StepIo } from './environment.ts';

/** What a call gave: text that the policy reads, or an error that it is shown. */
export type ToolResult =
  | { readonly text: string; readonly facts?: Readonly<Record<string, unknown>> }
  | { readonly error: string };

export interface ArgumentCheck {
  safeParse(
    args: Readonly<Record<string, unknown>>,
  ): { readonly success: true; readonly data: unknown } | { readonly success: false };
}

export interface Tool {
  readonly name: string;
  /** One sentence, for prompts that list tools. */
  readonly about: string;
  /** Checks what the policy wrote: a schema of zod, or what does the same. */
  readonly args: ArgumentCheck;
  /** JSON schema of what it takes, for prompts. */
  readonly parameters: object;
  /** Takes what `args` has parsed. Throws `TransientError` when what it stands on failed. */
  run(args: unknown, io: { readonly signal: AbortSignal }): Promise<ToolResult>;
}

/** A tool whose arguments are checked by a schema before it runs. */
export function defineTool<Args extends z.ZodType>(tool: {
  readonly name: string;
  readonly about: string;
  readonly args: Args;
  run(args: z.output<Args>, io: { readonly signal: AbortSignal }): Promise<ToolResult> | ToolResult;
}): Tool {
  const { name, about, args } = tool;
  const { $schema: _dialect, ...parameters } = z.toJSONSchema(args, { io: 'input', unrepresentable: 'any' });
  // `callTool` gives `run` only what the schema has parsed.
  return { name, about, args, parameters, run: async (parsed, io) => await tool.run(parsed as z.output<Args>, io) };
}

/** A tool in JSON schema, as chat templates list it. */
export function toolSchema({ name, about, parameters }: Tool): object {
  return { type: 'function', function: { name, description: about, parameters } };
}

export type CalledTool =
  | { readonly kind: 'result'; readonly result: ToolResult }
  | { readonly kind: 'violation'; readonly code: 'unknown_tool' | 'bad_arguments' };

/** Checks a call and runs it within the step's time. What the tool throws comes out of it, transient where it took too long. */
export async function callTool(
  tools: readonly Tool[],
  call: { readonly name: string; readonly args: Readonly<Record<string, unknown>> },
  io: StepIo,
): Promise<CalledTool> {
  const tool = tools.find(({ name }) => name === call.name);
  if (tool === undefined) return { kind: 'violation', code: 'unknown_tool' };
  const parsed = tool.args.safeParse(call.args);
  if (!parsed.success) return { kind: 'violation', code: 'bad_arguments' };
  const run = () => withinTime(tool.name, io, (signal) => tool.run(parsed.data, { signal }));
  const startedMs = performance.now();
  try {
    return { kind: 'result', result: await withToolCall(tool.name, run) };
  } finally {
    io.toolEnded?.(tool.name, performance.now() - startedMs);
  }
}

/** Waiting for a tool ends with the step's time or signal, whether the tool heeds its own or not. */
async function withinTime<T>(tool: string, io: StepIo, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  throwIfCancelled(io.signal);
  using deadline = deadlineSignal(io.signal, io.toolTimeoutMs, tool);
  try {
    return await run(deadline.signal);
  } catch (thrown) {
    throwIfCancelled(io.signal);
    if (errorFrom(thrown) instanceof CancelledError) {
      throw new TransientError('unavailable', `${tool}: no result within ${io.toolTimeoutMs} ms`, { cause: thrown });
    }
    throw thrown;
  }
}
