import type { Dialect } from '../dialect.ts';
import { sentEvent } from '../read-request.ts';
import { readCount, readMessages } from './read.ts';
import { anthropicRefusal } from './refuse.ts';
import { messageEvents, messageOf } from './write.ts';

/** Anthropic's Messages. */
export const anthropicMessages: Dialect = {
  path: '/messages',
  count: { path: '/messages/count_tokens', read: readCount, whole: (tokens) => ({ input_tokens: tokens }) },
  speaks: (headers) => headers['anthropic-version'] !== undefined,
  models: {
    data: [{ type: 'model', id: 'policy', display_name: 'policy', created_at: '1970-01-01T00:00:00Z' }],
    has_more: false,
    first_id: 'policy',
    last_id: 'policy',
  },
  refuse: anthropicRefusal,
  refusedEvent: ({ body }) => sentEvent(body, 'error'),
  read(body, rules) {
    const { call, model, stream, form } = readMessages(body, rules);
    return {
      call,
      field: 'messages',
      stream,
      samples: 1,
      form,
      tokenTexts: false,
      whole: ([reply], about) => messageOf(model, reply, about),
      events: ([reply], about) => messageEvents(model, reply, about),
    };
  },
};
