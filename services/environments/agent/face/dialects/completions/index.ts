import type { Dialect } from '../dialect.ts';
import { openAi } from '../openai-refusal.ts';
import { readCompletion } from './read.ts';
import { completion, completionEvents } from './write.ts';

/** OpenAI's completions, of a text or of token ids. */
export const completions: Dialect = {
  ...openAi,
  path: '/completions',
  read(body, rules) {
    const given = readCompletion(body, rules);
    return {
      call: given.call,
      field: 'prompt',
      stream: given.stream,
      samples: given.samples,
      form: given.form,
      tokenTexts: given.logprobs,
      whole: (samples, about) => completion(given, samples, about),
      events: (samples, about) => completionEvents(given, samples, about),
    };
  },
};
