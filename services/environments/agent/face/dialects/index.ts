import { anthropicMessages } from './anthropic-messages/index.ts';
import { chatCompletions } from './chat-completions/index.ts';
import { completions } from './completions/index.ts';
import type { Dialect } from './dialect.ts';
import { responses } from './responses/index.ts';

/** What is served. */
export const dialects: readonly Dialect[] = [anthropicMessages, responses, completions, chatCompletions];

/** Whose words are used where a request is of no dialect's path and of no client that one of them knows. */
export const commonDialect: Dialect = chatCompletions;
