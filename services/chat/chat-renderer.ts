import { TerminalError, errorFrom } from '#platform/errors.ts';
import { partsOf } from './conversation.ts';
import type { ChatMessage, ChatOptions, ChatPart, Continuation, Conversation, RenderedChat } from './conversation.ts';
import { createNeutraliser } from './control-tokens.ts';
import type { ChatTemplate } from './read-chat-template.ts';
import type { RenderedText } from './render-thread.ts';
import { createTemplateThread, type TemplateBounds } from './template-thread.ts';

export interface ChatRenderer extends AsyncDisposable {
  /** Throws as `render` does where the template is none; whatever it says of messages. */
  check(): Promise<void>;
  /** In the order of the chats. Throws TerminalError('invalid_argument') with the template's file and what it says. */
  render(chats: readonly (Conversation | Continuation)[]): Promise<readonly RenderedChat[]>;
}

/** A template that is well renders thousands of texts in this time. */
const defaultBounds: TemplateBounds = { timeoutMs: 10_000, memoryMebibytes: 256 };

/** Stands for the turn that the model wrote; no text from outside holds it, since control characters are no part of any. */
const turnMark = '\u0001turn\u0001';

/**
 * Renders with a model's own chat template. `controlTokens` are those of its tokenizer: they keep their meaning in the template and in what is
 * trusted, and lose it in every other message.
 */
export function createChatRenderer(
  template: ChatTemplate,
  controlTokens: readonly string[],
  bounds: TemplateBounds = defaultBounds,
): ChatRenderer {
  const thread = createTemplateThread(template.source, bounds);
  const neutralise = createNeutraliser(controlTokens);
  const refuse = (problem: string, cause?: unknown): TerminalError =>
    new TerminalError('invalid_argument', `${template.path}: the chat template ${problem}`, { cause });

  const outside = (text: string): string => neutralise(text.replaceAll('\u0001', ''));
  const textOf = (parts: readonly ChatPart[]): string =>
    parts.map(({ text, trusted = false }) => (trusted ? text : outside(text))).join('');
  const safe = (message: ChatMessage): object => ({ role: message.role, content: textOf(partsOf(message)) });
  const variables = (
    messages: readonly object[],
    { tools, thinking = false }: ChatOptions,
  ): Record<string, unknown> => ({
    ...template.tokens,
    messages,
    ...(tools !== undefined && tools.length > 0 && { tools: tools.map((tool) => withTexts(tool, outside)) }),
    add_generation_prompt: true,
    enable_thinking: thinking,
  });

  function inputOf(chat: Conversation | Continuation): Record<string, unknown> {
    if ('messages' in chat) return variables(chat.messages.map(safe), chat);
    // Nothing before the model's turn shows in what follows it.
    const before = [
      { role: 'user', content: 'x' },
      { role: 'assistant', content: turnMark },
    ];
    return variables([...before, ...chat.after.map(safe)], chat);
  }

  function renderedOf(chat: Conversation | Continuation, text: string): RenderedChat {
    if ('messages' in chat) return { turnEnd: '', text };
    const parts = text.split(turnMark);
    if (parts.length !== 2) throw refuse(`shows an earlier turn ${parts.length - 1} times; it must show it once`);
    const tail = parts[1] ?? '';
    const turnEnd = controlTokens.find((token) => tail.startsWith(token)) ?? '';
    return { turnEnd, text: tail.slice(turnEnd.length) };
  }

  async function textsOf(inputs: readonly Record<string, unknown>[]): Promise<readonly RenderedText[]> {
    return await thread.render(inputs).catch((thrown: unknown) => {
      const error = errorFrom(thrown);
      throw error instanceof TerminalError ? refuse(error.message, error) : error;
    });
  }

  return {
    async check() {
      await textsOf([]);
    },
    async render(chats) {
      if (chats.length === 0) return [];
      const texts = await textsOf(chats.map(inputOf));
      return chats.map((chat, at) => {
        const rendered = texts[at];
        if (rendered !== undefined && 'error' in rendered) throw refuse(`refuses the messages: ${rendered.error}`);
        if (rendered === undefined || rendered.text === '') throw refuse('renders no text for the messages');
        return renderedOf(chat, rendered.text);
      });
    },
    [Symbol.asyncDispose]: () => thread[Symbol.asyncDispose](),
  };
}

/** JSON with each of its texts changed, names of fields too. */
function withTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => withTexts(item, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [change(name), withTexts(item, change)]));
}
