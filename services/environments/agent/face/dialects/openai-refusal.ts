import type { HttpRefusal } from '#platform/http/json-server.ts';
import type { Dialect, DialectRefusal } from './dialect.ts';
import { sentEvent } from './read-request.ts';

function refuse({ status, error }: HttpRefusal): DialectRefusal {
  const { reason = error.code, param = null } = error.details;
  const type = status < 500 ? 'invalid_request_error' : 'server_error';
  return { status, body: { error: { message: error.message, type, param, code: reason } } };
}

/** What is the same wherever OpenAI's clients ask: errors, and the list of models. */
export const openAi = {
  speaks: () => false,
  refuse,
  refusedEvent: ({ body }) => sentEvent(body),
  models: { object: 'list', data: [{ id: 'policy', object: 'model', created: 0, owned_by: 'gradus' }] },
} as const satisfies Partial<Dialect>;
