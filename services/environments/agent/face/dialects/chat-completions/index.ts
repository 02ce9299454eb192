import type { Dialect } from '../dialect.ts';
import { openAi } from '../openai-refusal.ts';
import { readChatCompletion } from './read.ts';
import { chatCompletion, chatCompletionEvents } from './write.ts';

/** OpenAI's chat completions. */
export const chatCompletions: Dialect = {
  ...openAi,
  path: '/chat/completions',
  read(body, rules) {
    const given = readChatCompletion(body, rules);
    return {
      call: given.call,
      field: 'messages',
      stream: given.stream,
      samples: given.samples,
      form: given.form,
      tokenTexts: given.logprobs,
      whole: (samples, about) => chatCompletion(given, samples, about),
      events: (samples, about) => chatCompletionEvents(given, samples, about),
    };
  },
};
