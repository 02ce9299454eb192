/** Environments of OpenEnv whose actions are tool calls: `list_tools`, then `call_tool` with tool_name and arguments. */
import { z } from 'zod';
import { TransientError } from '#platform/errors.ts';
import type { ToolResult } from '../kit/tools.ts';
import { UserCodeError } from '#user-code/user-code-error.ts';
import { isRecord, textOf } from './observation.ts';
import type { CallIo, Observed, Session } from './session.ts';

export interface ListedTool {
  readonly name: string;
  readonly description: string;
  readonly schema: Readonly<Record<string, unknown>>;
}

const toolList = z.object({
  tools: z.array(
    z.object({
      name: z.string().min(1),
      description: z.string().nullish(),
      input_schema: z.record(z.string(), z.unknown()).default({}),
    }),
  ),
});

export async function listTools(session: Session, maxTools: number, io: CallIo): Promise<ListedTool[]> {
  const listed = await session.step({ type: 'list_tools' }, io);
  if ('kind' in listed) throw new UserCodeError(`the server lists no tools: ${listed.message}; see the option action`);
  const parsed = toolList.safeParse(listed.observation);
  if (!parsed.success)
    throw new UserCodeError('the server lists no tools; an environment without tools is played with action: text');
  const { tools } = parsed.data;
  if (tools.length > maxTools)
    throw new UserCodeError(`the server lists ${tools.length} tools; the option max_tools is ${maxTools}`);
  return tools.map(({ name, description, input_schema }) => ({
    name,
    description: description ?? '',
    schema: input_schema,
  }));
}

/** One line for each tool, for a prompt. */
export function toolLines(tools: readonly ListedTool[]): string {
  return tools
    .map(({ name, description, schema }) => JSON.stringify({ name, description, parameters: schema }))
    .join('\n');
}

export type CalledServerTool =
  | { readonly kind: 'result'; readonly result: ToolResult; readonly observed: Observed }
  | { readonly kind: 'violation' };

export async function callServerTool(
  session: Session,
  name: string,
  args: Readonly<Record<string, unknown>>,
  io: CallIo,
): Promise<CalledServerTool> {
  const observed = await session.step({ type: 'call_tool', tool_name: name, arguments: args }, io);
  if ('kind' in observed) return { kind: 'violation' };
  const { error, result } = observed.observation;
  if (isRecord(error)) {
    const message = textOf(error['message']);
    switch (error['error_type']) {
      case 'transport_error':
      case 'timeout':
        throw new TransientError('unavailable', `${name}: ${message}`);
      case 'invalid_args':
      case 'tool_not_found':
        return { kind: 'violation' };
    }
    return { kind: 'result', result: { error: message }, observed };
  }
  const text = resultText(result);
  const failed = isRecord(result) && result['is_error'] === true;
  return { kind: 'result', result: failed ? { error: text } : { text }, observed };
}

/** Results are MCP's (`content` and `structured_content`), or whatever the environment gives. */
function resultText(result: unknown): string {
  if (!isRecord(result)) return textOf(result ?? null);
  const { data, content } = result;
  if (data !== undefined && data !== null) return textOf(data);
  if (!Array.isArray(content)) return textOf(result);
  return content
    .map((part: unknown) => (isRecord(part) && typeof part['text'] === 'string' ? part['text'] : textOf(part)))
    .join('\n');
}
