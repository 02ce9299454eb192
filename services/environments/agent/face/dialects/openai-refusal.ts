import type { HttpRefusal } from '#platform/http/json-server.ts';
import type { DialectRefusal } from './dialect.ts';

/** An error as OpenAI's clients read it. */
export function openAiRefusal({ status, error }: HttpRefusal): DialectRefusal {
  const { reason = error.code, param = null } = error.details;
  const type = status < 500 ? 'invalid_request_error' : 'server_error';
  return { status, body: { error: { message: error.message, type, param, code: reason } } };
}

/** The policy in the list of models. */
export const openAiModels = {
  object: 'list',
  data: [{ id: 'policy', object: 'model', created: 0, owned_by: 'gradus' }],
};
