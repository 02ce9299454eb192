import type { EndpointSettings } from '#endpoint/server-fields.ts';
import type { Recipe } from './schema.ts';

/** The recipe's endpoint as the service takes it. */
export function endpointSettings(endpoint: NonNullable<Recipe['model']['endpoint']>): EndpointSettings {
  const { base_url: baseUrl, model, api_key_env: apiKeyEnv, extra_body: extraBody } = endpoint;
  const { max_tokens_field: maxTokensField } = endpoint;
  return {
    baseUrl,
    model,
    maxTokensField,
    ...(apiKeyEnv !== undefined && { apiKeyEnv }),
    ...(extraBody !== undefined && { extraBody }),
  };
}
