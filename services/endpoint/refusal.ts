import { z } from 'zod';
import { TerminalError, TransientError } from '#platform/errors.ts';
import type { EndpointSettings } from './server-fields.ts';

const mostCharacters = 300;

const errorBody = z.looseObject({ error: z.union([z.string(), z.looseObject({ message: z.string() })]) });
const flatBody = z.looseObject({ message: z.string() });

/** What the server says of an error, as OpenAI, vLLM and SGLang put it, without anything like a key. */
function saidIn(body: unknown): string {
  if (typeof body !== 'string') return '';
  let said = body;
  try {
    const json: unknown = JSON.parse(body);
    const { error } = errorBody.safeParse(json).data ?? {};
    const flat = flatBody.safeParse(json).data?.message;
    said = (typeof error === 'object' ? error.message : error) ?? flat ?? body;
  } catch {
    // Text for people: it is what was said.
  }
  // Some servers repeat part of the key, with stars in the middle.
  return said
    .replaceAll(/\S*\*{3,}\S*/g, '***')
    .replaceAll(/\s+/g, ' ')
    .trim()
    .slice(0, mostCharacters);
}

/** A request that is longer than the model takes: the policy's conversation, not a wrong setting. */
export function isContextRefusal({ details }: TerminalError): boolean {
  const { status, body } = details;
  return (
    (status === 400 || status === 413 || status === 422) &&
    /context_length_exceeded|context length|maximum context|longer than the model/i.test(String(body))
  );
}

/** What to do about a refusal of the field with the most tokens of a reply; undefined where it is about something else. */
export function maxTokensFix(
  { details: { status, body } }: TerminalError,
  field: EndpointSettings['maxTokensField'] = 'max_tokens',
): string | undefined {
  if (status !== 400 && status !== 422) return undefined;
  const said = String(body);
  if (field === 'max_tokens') {
    // A limit that is too high names both fields as well.
    const wantsOther = said.includes('max_completion_tokens') && /unsupported|not supported|instead/i.test(said);
    if (!wantsOther) return undefined;
    return 'set max_tokens_field: max_completion_tokens (gradus eval: --max-tokens-field)';
  }
  const isRefused =
    said.includes(field) && /unknown|unrecognized|unsupported|unexpected|not permitted|extra/i.test(said);
  return isRefused ? 'set max_tokens_field: max_tokens (gradus eval: --max-tokens-field)' : undefined;
}

/** An error of `postJson` that another try would meet again, with what to do about it. */
export function refusalOf(
  error: TerminalError,
  url: string,
  { model, apiKeyEnv, maxTokensField }: Pick<EndpointSettings, 'model' | 'apiKeyEnv'> & Partial<EndpointSettings>,
): TerminalError | TransientError {
  const { status, body } = error.details;
  // More than a reply can have: a fault of this answer, not of the settings.
  if (typeof status !== 'number') return new TransientError('aborted', error.message, { cause: error });
  const key =
    apiKeyEnv === undefined
      ? 'name the variable that holds the key: --api-key-env, or model.endpoint.api_key_env of a recipe'
      : `check the key in ${apiKeyEnv}`;
  const fixes: Readonly<Record<number, string>> = {
    401: key,
    403: `${key}, and whether it may use model ${model}`,
    404: `check that model ${model} is served there, and that the URL ends before /chat/completions, as http://host:8000/v1`,
  };
  const fix =
    maxTokensFix(error, maxTokensField) ??
    fixes[status] ??
    `check model ${model}, the limits and extra_body against what the server takes`;
  const said = saidIn(body);
  return new TerminalError('permission_denied', `${url} answered ${status}${said === '' ? '' : `: ${said}`}; ${fix}`, {
    details: { status },
  });
}
