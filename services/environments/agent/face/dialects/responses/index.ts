import type { Dialect } from '../dialect.ts';
import { openAi } from '../openai-refusal.ts';
import { sentEvent } from '../read-request.ts';
import { formOf } from '../output-form.ts';
import { readResponse } from './read.ts';
import { responseEvents, responseOf } from './write.ts';

/** OpenAI's Responses. */
export const responses: Dialect = {
  ...openAi,
  path: '/responses',
  refusedEvent({ body }) {
    // Made by `refuse`, which puts it there.
    const { error } = body as { readonly error: object };
    return sentEvent({ sequence_number: 0, ...error, type: 'error' }, 'error');
  },
  read(body, rules) {
    const given = readResponse(body, rules);
    return {
      call: given.call,
      field: 'input',
      stream: given.stream,
      samples: 1,
      form: formOf(given.asked.text?.format, 'text.format'),
      tokenTexts: false,
      whole: ([reply], about) => responseOf(given, reply, about),
      events: ([reply], about) => responseEvents(given, reply, about),
    };
  },
};
