import { z } from 'zod';
import { serverFields } from '#endpoint/server-fields.ts';

const milliseconds = (least: number, most: number) => z.int().min(least).max(most);

/** One judge: any endpoint that speaks the chat completions API. The key itself never stands here. */
export const judgeSettings = z
  .strictObject({
    ...serverFields,
    apiKeyFile: z.string().min(1).optional().describe('File that holds the API key.'),
    temperature: z
      .number()
      .min(0)
      .max(2)
      .nullable()
      .default(0)
      .describe('Sampling temperature; null leaves it out, for models that take none but their own.'),
    maxTokens: z.int().min(1).max(65_536).default(512).describe('Longest reply, in tokens.'),
    structuredOutput: z
      .enum(['auto', 'json_schema', 'off'])
      .default('auto')
      .describe('Ask for a JSON schema: auto stops asking once the endpoint refuses it, off only parses.'),
    maxInputCharacters: z
      .int()
      .min(256)
      .max(4_194_304)
      .default(32_768)
      .describe('Longest text of one sample that is shown; the middle of a longer one is left out.'),
    concurrency: z.int().min(1).max(4096).default(64).describe('Calls at once.'),
    queue: z.int().min(1).max(65_536).default(4096).describe('Questions that may wait; more are RESOURCE_EXHAUSTED.'),
    groupConcurrency: z.int().min(1).max(4096).default(32).describe('Questions of one group at once.'),
    requestTimeoutMs: milliseconds(1, 600_000).default(30_000).describe('Longest time of one call.'),
    itemTimeoutMs: milliseconds(1, 1_800_000)
      .default(120_000)
      .describe('Longest time of one question, retries included.'),
    groupTimeoutMs: milliseconds(1, 7_200_000).default(600_000).describe('Longest time of one group.'),
    attempts: z.int().min(1).max(10).default(4).describe('Calls for one question at most, the first included.'),
    retryBaseMs: milliseconds(0, 60_000).default(200).describe('First pause before a retry; doubles.'),
    retryMaxMs: milliseconds(0, 600_000).default(10_000).describe('Longest such pause, unless Retry-After says more.'),
    retryRatio: z.number().min(0).max(1).default(0.25).describe('Retries granted per question, on average.'),
    retryReserve: z.int().min(0).max(10_000).default(100).describe('Retries that may be saved up: a burst.'),
    circuitFailureRatio: z.number().gt(0).max(1).default(0.6).describe('Share of failed calls that opens the circuit.'),
    circuitMinCalls: z.int().min(1).max(50).default(20).describe('Calls, of the last 50, that a decision needs.'),
    circuitOpenMs: milliseconds(1, 600_000).default(5_000).describe('Time without calls before one tries again.'),
    cacheMebibytes: z.int().min(0).max(65_536).default(64).describe('Memory for replies; 0 keeps none.'),
    cacheDirectory: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .describe('Keeps replies in this folder as well, for later runs and for other reward services on this machine.'),
    cacheDiskMebibytes: z
      .int()
      .min(1)
      .max(1_048_576)
      .default(1024)
      .describe('Size of that folder; the replies that were not used for longest go first.'),
    promptPrice: z.number().min(0).max(1e9).default(0).describe('Price of a million prompt tokens, in any currency.'),
    completionPrice: z.number().min(0).max(1e9).default(0).describe('Price of a million completion tokens.'),
  })
  .check(({ value, issues }) => {
    // P3: inner < outer.
    if (value.requestTimeoutMs > value.itemTimeoutMs) {
      issues.push({
        code: 'custom',
        path: ['requestTimeoutMs'],
        input: value.requestTimeoutMs,
        message: `must not be more than itemTimeoutMs (${value.itemTimeoutMs})`,
      });
    }
    if (value.itemTimeoutMs > value.groupTimeoutMs) {
      issues.push({
        code: 'custom',
        path: ['itemTimeoutMs'],
        input: value.itemTimeoutMs,
        message: `must not be more than groupTimeoutMs (${value.groupTimeoutMs})`,
      });
    }
    if (value.groupConcurrency > value.concurrency + value.queue) {
      issues.push({
        code: 'custom',
        path: ['groupConcurrency'],
        input: value.groupConcurrency,
        message: `must not be more than concurrency + queue (${value.concurrency + value.queue})`,
      });
    }
    if (value.apiKeyEnv !== undefined && value.apiKeyFile !== undefined) {
      issues.push({
        code: 'custom',
        path: ['apiKeyFile'],
        input: value.apiKeyFile,
        message: 'give apiKeyEnv or apiKeyFile, not both',
      });
    }
  });

export type JudgeSettings = z.infer<typeof judgeSettings>;

/** The labels of metrics come from here: a closed set, at most 32. */
export const judgesSettings = z
  .record(z.string(), judgeSettings)
  .check(({ value, issues }) => {
    // A pattern on the key would say no more than 'invalid key'.
    for (const name of Object.keys(value)) {
      if (/^[a-z][a-z0-9_-]{0,63}$/.test(name)) continue;
      issues.push({ code: 'custom', path: [name], input: name, message: 'a name is lower case, digits, - and _' });
    }
  })
  .refine((judges) => Object.keys(judges).length <= 32, 'at most 32 judges');
