import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';

/** What is read of a request; other keys are ignored, as engines do with those that they do not know. */
const chatRequest = z.object({
  model: z.string().min(1),
  messages: z
    .array(z.object({ role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']), content: z.string() }))
    .min(1),
  temperature: z.number().min(0).max(2).nullish(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  n: z.literal(1, 'this judge gives one choice').nullish(),
  stream: z.literal(false, 'this judge does not stream').nullish(),
  response_format: z.looseObject({ type: z.enum(['text', 'json_object', 'json_schema']) }).nullish(),
});

export type ChatRequest = z.infer<typeof chatRequest>;

/** Throws `TerminalError` with the field in its details. */
export function parseChatRequest(body: unknown): ChatRequest {
  const parsed = chatRequest.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.map(String).join('.') ?? '';
  const message = issue?.message ?? 'invalid';
  throw invalidField(field, field === '' ? `the body: ${message}; expected a JSON object` : `${field}: ${message}`);
}

export function invalidField(field: string, message: string): TerminalError {
  return new TerminalError('invalid_argument', message, { details: { field } });
}
