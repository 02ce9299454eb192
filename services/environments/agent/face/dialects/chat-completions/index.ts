import type { Dialect } from '../dialect.ts';
import { openAiModels, openAiRefusal } from '../openai-refusal.ts';
import { readChatCompletion } from './read.ts';
import { chatCompletion, chatCompletionEvents } from './write.ts';

/** OpenAI's chat completions. */
export const chatCompletions: Dialect = {
  path: '/chat/completions',
  speaks: () => true,
  models: openAiModels,
  refuse: openAiRefusal,
  read(body, rules) {
    const call = readChatCompletion(body, rules);
    const { messages, tools } = call;
    return {
      call: { messages, tools },
      field: 'messages',
      stream: call.stream,
      whole: (reply, about) => chatCompletion(call, reply, about),
      events: (reply, about) => chatCompletionEvents(call, reply, about),
    };
  },
};
