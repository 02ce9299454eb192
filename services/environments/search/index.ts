import { z } from 'zod';
import type { Conversation } from '#chat/conversation.ts';
import { TerminalError } from '#platform/errors.ts';
import { answerFields, openingMessages } from '../kit/options.ts';
import { createCodec, neutralise } from '../kit/codec.ts';
import { defineEnvironment, type Environment } from '../kit/environment.ts';
import { createToolEpisode } from '../kit/tool-episode.ts';
import type { Tool } from '../kit/tools.ts';
import { searchOptions, type SearchOptions } from './options.ts';
import { createRetrievalSource } from './retrieval-source.ts';
import { createSearchTools, type SearchSource } from './search-tools.ts';

const data = z.object({ question: z.string().min(1).describe('What is asked.') });
const gold = z.object({
  ...answerFields,
  support_titles: z.array(z.string()).optional().describe('Titles of the pages that hold the facts.'),
});

const instructions = [
  'Answer the question by searching. Use one tool in each message, and write nothing after it:',
  '<tool>{"name": "websearch", "args": {"query": "..."}}</tool> lists documents with their ids and the start of their text;',
  '<tool>{"name": "scrape", "args": {"id": "..."}}</tool> shows a whole document. Results come in <result> tags.',
  'When you know the answer, write it as <answer>...</answer>, as short as possible.',
].join(' ');

/** Searching and reading pages to answer a question: `websearch` and `scrape`, one call a turn. */
export const search = defineEnvironment({
  name: 'search',
  about: 'Search a corpus and read its pages to answer a question.',
  options: searchOptions,
  row: { data, gold },
  needs: ['retrieval'],
  scorers: ['exact_match', 'f1', 'tool_success', 'format', 'xml'],
  primaryMetric: 'exact_match',
  tags: ['hops'],
  conflicts({ top_k: topK }, { retrieval: { reranker } }) {
    if (reranker === undefined || topK <= reranker.candidates) return [];
    const message = `must be at most retrieval.reranker.candidates (${reranker.candidates}): a search returns no more than are reranked; lower top_k, or raise candidates`;
    return [{ path: ['top_k'], message, value: topK }];
  },
  speaksInMessages: ({ chat }) => chat,
  inText: { chat: false },
  instructed: { chat: true, system_prompt: instructions },
  scripted({ prompt_template, codec, chat }) {
    if (chat)
      throw new TerminalError('invalid_argument', 'chat: a scripted engine reads prompts of text; set chat: false');
    return { 'prompt-template': prompt_template, codec };
  },
  open: (options, clients) => openSearch(options, createRetrievalSource(clients.retrieval())),
});

export function openSearch(options: SearchOptions, source: SearchSource): Environment<{ readonly question: string }> {
  const codec = createCodec(options.codec, options.think);
  const tools = createSearchTools(source, options);
  return {
    stop: codec.stop,
    start: (row) =>
      createToolEpisode({
        prompt: promptOf(options, tools, row.data.question),
        codec,
        tools,
        maxViolations: options.max_violations,
      }),
  };
}

function promptOf(options: SearchOptions, tools: readonly Tool[], question: string): string | Conversation {
  const { prompt_template: template, system_prompt: system } = options;
  if (!options.chat) return template.replaceAll('{question}', () => neutralise(question));
  const asked = template.split('{question}').flatMap((text, at) => {
    const fixed = { text, trusted: true };
    return at === 0 ? [fixed] : [{ text: neutralise(question) }, fixed];
  });
  const said = system === undefined ? undefined : [{ text: system, trusted: true }];
  return openingMessages(said, asked, tools, options);
}
