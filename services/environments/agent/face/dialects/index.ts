import { anthropicMessages } from './anthropic-messages/index.ts';
import { chatCompletions } from './chat-completions/index.ts';
import type { Dialect } from './dialect.ts';

/** What is served. The last one speaks for clients that no other knows. */
export const dialects: readonly [Dialect, ...Dialect[]] = [anthropicMessages, chatCompletions];
