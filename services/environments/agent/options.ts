import { z } from 'zod';
import { memoryOption, variablesOption } from '../kit/options.ts';

export const agentOptions = z.strictObject({
  command: z
    .array(z.string().max(4096))
    .min(1)
    .max(256)
    .describe('Program and arguments of the agent; each episode starts it anew, with the row as JSON on its stdin.'),
  directory: z
    .string()
    .min(1)
    .max(4096)
    .optional()
    .describe("Working directory of `command`; the recipe's folder where it is absent."),
  environment: variablesOption.describe(
    'Environment variables of the worker that the agent gets, by name, next to what a program needs, the endpoint and its key.',
  ),
  memory_mebibytes: memoryOption
    .default(1024)
    .describe(
      'Memory of an agent with all that it starts; one that needs more is ended. A worker has as many agents as `fleet.concurrency` says.',
    ),
  start_timeout_ms: z
    .int()
    .min(100)
    .max(600_000)
    .default(30_000)
    .describe('Longest time until an agent asks for the first time.'),
  thinking: z.boolean().default(false).describe('The model may think before it speaks, where its template knows how.'),
  sampling: z
    .enum(['refused', 'ignored'])
    .default('refused')
    .describe(
      'What becomes of temperature, max_tokens and their like in a request: the recipe says how is sampled. `ignored` takes such requests all the same.',
    ),
  failed_exit: z
    .enum(['stop', 'malformed_turn'])
    .default('stop')
    .describe(
      'What an exit code other than 0 means. `stop`: a fault of the agent, which ends the run with its last words. `malformed_turn`: the policy made it fail.',
    ),
  rewards: z
    .array(z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'must start with a-z and have at most 64 of a-z, 0-9 and _'))
    .max(64)
    .default([])
    .describe(
      'Names of the rewards, 0..1, that the agent writes into its result file; none where scorers alone judge.',
    ),
});

export type AgentOptions = z.output<typeof agentOptions>;
