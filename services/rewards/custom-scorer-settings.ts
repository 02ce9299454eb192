import { z } from 'zod';
import { isDetector } from './detector-names.ts';
import { scorerNames } from './scorer-catalogue.ts';

/** Scorers of people who use this service. A caller names them; what they are stands in the config alone. */

const finite = z.number().min(-1e6).max(1e6);

const common = {
  timeoutMs: z.int().min(1).max(600_000).default(5000).describe('Longest time of one rollout.'),
  queue: z.int().min(1).max(65_536).default(4096).describe('Rollouts that may wait; more are RESOURCE_EXHAUSTED.'),
  low: finite.default(0).describe('Its value for the worst; taken for 0.'),
  high: finite.default(1).describe('Its value for the best; taken for 1. Values outside are refused.'),
};

const inProcesses = {
  path: z.string().min(1).max(4096).describe('Its file, relative to the working directory.'),
  processes: z.int().min(1).max(256).default(2).describe('Rollouts scored at once, each in a process of its own.'),
  memoryMebibytes: z
    .int()
    .min(128)
    .max(1_048_576)
    .default(512)
    .describe('Most memory of one process with all that it starts, that of its language included.'),
  environment: z
    .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of a variable, without its value'))
    .max(64)
    .default([])
    .describe('Environment variables that it gets besides PATH, HOME, the locale and what its language needs.'),
  startTimeoutMs: z.int().min(1).max(600_000).default(30_000).describe('Longest time until a process has loaded it.'),
};

export const typescriptScorerShape = {
  kind: z.literal('typescript'),
  ...inProcesses,
  ...common,
};

export const pythonScorerShape = {
  kind: z.literal('python'),
  ...inProcesses,
  function: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of a function')
    .default('compute_score')
    .describe('Called with data_source, solution_str, ground_truth and extra_info.'),
  dataSource: z.string().max(256).default('gradus').describe('Given as it is.'),
  groundTruth: z
    .enum(['first', 'list', 'target'])
    .default('first')
    .describe("What it gets as gold: the first answer, the list, or Search-R1's {'target': list}."),
  solution: z
    .enum(['transcript', 'answer'])
    .default('transcript')
    .describe('What it gets as solution: everything that the policy wrote, or the answer alone.'),
  ...common,
};

export const httpScorerShape = {
  kind: z.literal('http'),
  url: z
    .url({ protocol: /^https?$/, error: 'must be a URL, for example http://127.0.0.1:9000/score' })
    .refine((url) => !/^\w+:\/\/[^/]*@/.test(url), 'must not hold a password; name it with the key variable')
    .describe('Where a rollout is sent.'),
  keyEnv: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of a variable, not the key itself')
    .optional()
    .describe('Environment variable that holds a bearer token.'),
  concurrency: z.int().min(1).max(4096).default(32).describe('Calls at once.'),
  attempts: z.int().min(1).max(10).default(3).describe('Calls for one rollout at most.'),
  ...common,
};

/** `high` above `low`; for the schemas that are made of these shapes. */
export function checkRange({
  value,
  issues,
}: z.core.ParsePayload<{ readonly low: number; readonly high: number }>): void {
  if (value.low < value.high) return;
  issues.push({
    code: 'custom',
    path: ['high'],
    input: value.high,
    message: `must be more than low (${value.low})`,
  });
}

/** Scorers in files. */
export const processScorerSettings = z.discriminatedUnion('kind', [
  z.strictObject(typescriptScorerShape).check(checkRange),
  z.strictObject(pythonScorerShape).check(checkRange),
]);

const customScorerSettings = z.discriminatedUnion('kind', [
  ...processScorerSettings.options,
  z.strictObject(httpScorerShape).check(checkRange),
]);

export type CustomScorerSettings = z.output<typeof customScorerSettings>;
export type HttpScorerSettings = Extract<CustomScorerSettings, { kind: 'http' }>;
export type ProcessScorerSettings = Exclude<CustomScorerSettings, HttpScorerSettings>;

/** The labels of metrics come from here: a closed set, at most 32. */
export const customScorersSettings = z
  .record(z.string(), customScorerSettings)
  .check(({ value, issues }) => {
    for (const name of Object.keys(value)) {
      const message = nameProblem(name);
      if (message !== undefined) issues.push({ code: 'custom', path: [name], input: name, message });
    }
  })
  .refine((scorers) => Object.keys(scorers).length <= 32, 'at most 32 scorers');

function nameProblem(name: string): string | undefined {
  if (scorerNames.includes(name)) return 'is the name of a built-in scorer; take another';
  if (isDetector(name)) return 'is the name of a detector; take another';
  return /^[a-z][a-z0-9_]{0,63}$/.test(name) ? undefined : 'a name is lower case, digits and _, at most 64';
}
