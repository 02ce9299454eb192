import type { JudgeSettings } from '#rewards/judge-settings.ts';
import type { ChatRequest } from '#endpoint/chat-client.ts';

type Ask<Reply> = (request: ChatRequest, signal: AbortSignal) => Promise<Reply>;

export interface PlainFallback<Reply> {
  readonly ask: Ask<Reply>;
  /** To be called for a refusal: true when it was the schema that was refused, so that the same question may be sent without. */
  refused(request: ChatRequest, detail: string): boolean;
}

/** Asks for schemas until the endpoint refuses one, as far as the settings allow; `onPlain` hears of that once. */
export function createPlainFallback<Reply>(
  ask: Ask<Reply>,
  structuredOutput: JudgeSettings['structuredOutput'],
  onPlain: (message: string) => void,
): PlainFallback<Reply> {
  let structured = structuredOutput !== 'off';
  /** Requests that went out with their schema. */
  const withSchema = new WeakSet<ChatRequest>();
  return {
    async ask(request, signal) {
      if (structured && request.schema !== undefined) withSchema.add(request);
      else withSchema.delete(request);
      return await ask(structured ? request : { messages: request.messages }, signal);
    },
    refused(request, detail) {
      if (structuredOutput !== 'auto' || !withSchema.has(request)) return false;
      if (!/response_format|json_schema|structured|guided|grammar/i.test(detail)) return false;
      // Others may have learned it while this call was under way.
      if (structured) onPlain(detail);
      structured = false;
      return true;
    },
  };
}
