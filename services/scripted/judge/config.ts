import { z } from 'zod';
import { baseConfig, bindAddress } from '#platform/runtime/config.ts';

export const scriptedJudgeConfig = baseConfig.extend({
  http: bindAddress
    .default('127.0.0.1:0')
    .describe('Where the chat completions API is served, host:port; port 0 takes any free one.'),
  questions: z
    .array(z.string().min(1))
    .max(16)
    .default([])
    .describe(
      'MuSiQue files: the answer to hop i of k is worth i / k. Questions that are in none, and all without files, are ' +
        'graded by token F1 with the references of the prompt. A comma list as a flag.',
    ),
  noise: z
    .number()
    .min(0)
    .max(100)
    .default(0)
    .describe('Scale of the logistic error of a comparison: a difference of this size is seen 73 % of the time.'),
  positionBias: z
    .number()
    .min(-100)
    .max(100)
    .default(0)
    .describe('Log-odds in favour of what is shown first; needs noise.'),
  tieBand: z.number().min(0).max(100).default(0).describe('Differences, as they are seen, up to this are ties.'),
  seed: z.string().max(256).default('judge').describe('Of its errors: the same question gets the same reply.'),
  latencyMedianMs: z
    .number()
    .min(0)
    .max(600_000)
    .default(0)
    .describe('Median time of a reply, in milliseconds; 0 replies at once.'),
  latencySigma: z
    .number()
    .min(0)
    .max(4)
    .default(0)
    .describe('Sigma of the log-normal time of a reply; 0 is always the median.'),
  latencyMaxMs: z.int().min(1).max(3_600_000).default(600_000).describe('Longest time of a reply, in milliseconds.'),
  maxRunning: z.int().min(1).max(65_536).default(256).describe('Questions that are judged at once; more wait.'),
  maxWaiting: z.int().min(0).max(1_000_000).default(4096).describe('Questions that may wait; more are refused as 429.'),
});

export type ScriptedJudgeConfig = z.infer<typeof scriptedJudgeConfig>;
