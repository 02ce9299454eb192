import type { ChatRequest } from './chat-request.ts';

/** The usual estimate for English; nothing here has a tokenizer. */
const charactersPerToken = 4;

/** The body of a reply of the chat completions API; one that is longer than the request allows is cut, as an engine's would be. */
export function chatCompletion(request: ChatRequest, id: string, text: string, nowMs: number): object {
  const most = request.max_completion_tokens ?? request.max_tokens ?? Infinity;
  const content = text.slice(0, most * charactersPerToken);
  const promptTokens = tokensOf(request.messages.reduce((sum, message) => sum + message.content.length, 0));
  const completionTokens = tokensOf(content.length);
  return {
    id,
    object: 'chat.completion',
    created: Math.floor(nowMs / 1000),
    model: request.model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content },
        finish_reason: content.length < text.length ? 'length' : 'stop',
      },
    ],
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens,
    },
  };
}

function tokensOf(characters: number): number {
  return Math.ceil(characters / charactersPerToken);
}
