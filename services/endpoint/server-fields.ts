import { z } from 'zod';

export const maxTokensFields = ['max_tokens', 'max_completion_tokens'] as const;

/** A server that speaks the chat completions API, as settings name it. The key itself never stands there. */
export const serverFields = {
  baseUrl: z
    .url({ protocol: /^https?$/, error: 'must be a URL, for example http://127.0.0.1:8000/v1' })
    .refine((url) => !/^\w+:\/\/[^/]*@/.test(url), 'must not hold a password; name it with apiKeyEnv or apiKeyFile')
    .describe('Where /chat/completions is, for example http://127.0.0.1:8000/v1.')
    .meta({ example: 'http://127.0.0.1:8000/v1' }),
  model: z.string().min(1).describe('Model to ask for.').meta({ example: 'qwen3-4b' }),
  apiKeyEnv: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of a variable, not the key itself')
    .optional()
    .describe('Environment variable that holds the API key.'),
  maxTokensField: z
    .enum(maxTokensFields)
    .default('max_tokens')
    .describe('Field that gives the server the most tokens of a reply; newer models of OpenAI want the second.'),
  extraBody: z
    .record(z.string().min(1).max(128), z.json())
    .optional()
    .describe(
      'Further fields of each request, as the server knows them: for example {chat_template_kwargs: {enable_thinking: false}}.',
    ),
};

export type EndpointSettings = z.output<z.ZodObject<typeof serverFields>>;
