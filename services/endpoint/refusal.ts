import { TerminalError, TransientError } from '#platform/errors.ts';
import type { EndpointSettings } from './server-fields.ts';

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

/** What to do about a refusal of the temperature, which some models do not let one choose. */
function temperatureFix({ details: { status, body } }: TerminalError, leaveOut: string): string | undefined {
  if (status !== 400 && status !== 422) return undefined;
  return /\btemperature\b/i.test(String(body)) ? leaveOut : undefined;
}

export interface RefusedSettings
  extends Pick<EndpointSettings, 'model' | 'apiKeyEnv'>, Partial<Pick<EndpointSettings, 'maxTokensField'>> {
  /** What to do where a key is needed and none is named. */
  readonly nameKey: string;
  /** How to ask without a temperature. */
  readonly leaveTemperature: string;
}

/** The error of `postJson` for an answer that another try would meet again, with what to do about it. */
export function refusalOf(error: TerminalError, settings: RefusedSettings): TerminalError | TransientError {
  const { model, apiKeyEnv, maxTokensField, nameKey, leaveTemperature } = settings;
  const { status } = error.details;
  // More than a reply can have: a fault of this answer, not of the settings.
  if (typeof status !== 'number') return new TransientError('aborted', error.message, { cause: error });
  const key = apiKeyEnv === undefined ? nameKey : `check the key in ${apiKeyEnv}`;
  const served = `check that model ${model} is served there, and that the URL ends before /chat/completions, as http://host:8000/v1`;
  const fixes: Readonly<Record<number, string>> = {
    401: key,
    402: 'check the credit of the account behind the key',
    403: `${key}, and whether it may use model ${model}`,
    404: served,
  };
  const fix =
    maxTokensFix(error, maxTokensField) ??
    temperatureFix(error, leaveTemperature) ??
    (status < 400 ? served : fixes[status]) ??
    `check model ${model}, the limits and extra_body against what the server takes`;
  return new TerminalError('permission_denied', `${error.message}; ${fix}`, { details: { status } });
}
