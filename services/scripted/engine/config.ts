import { z } from 'zod';
import { questionFormats } from '#questions/question-row.ts';
import { rootsField, rootsOfRemote } from '#platform/files/check-roots.ts';
import { baseConfig } from '#platform/runtime/config.ts';
import { fleetBounds } from '#platform/runtime/fleet-bounds.ts';

export const scriptedEngineConfig = baseConfig
  .extend({
    roots: rootsField,
    tokenizer: z
      .string()
      .min(1)
      .describe('Path of the tokenizer.json whose ids are generated.')
      .meta({ example: 'policies/nano/tokenizer.json' }),
    questions: z
      .array(z.string().min(1))
      .max(16)
      .default([])
      .describe('Files with the questions that the script can answer; a comma list as a flag.'),
    questionsFormat: z
      .enum(questionFormats)
      .default('musique')
      .describe("How they are written: MuSiQue's schema, or rows of Gradus (docs/rewards.md)."),
    corpus: z
      .string()
      .min(1)
      .optional()
      .describe('Corpus whose pages the script scrapes; without it, it only searches.'),
    promptTemplate: z
      .string()
      .min(1)
      .max(16_384)
      .refine((text) => text.includes('{question}'), 'must contain {question}')
      .default('{question}')
      .describe('The first prompt, as the environment writes it: how questions are recognised.'),
    codec: z.enum(['xml', 'hermes']).default('xml').describe('Format of tool calls.'),
    turns: z.int().min(1).max(1000).default(3).describe('Turns of a rollout: tool calls, and the answer as the last.'),
    rightProbability: z.number().min(0).max(1).default(0.5).describe('Share of answers that are right.'),
    latencyMedianMs: z
      .number()
      .min(0)
      .max(600_000)
      .default(0)
      .describe('Median time of a turn, in milliseconds; 0 answers at once.'),
    latencySigma: z
      .number()
      .min(0)
      .max(4)
      .default(0)
      .describe('Sigma of the log-normal time of a turn; 0 is always the median, 1 has a p99 of ten medians.'),
    latencyMaxMs: z.int().min(1).max(3_600_000).default(600_000).describe('Longest time of a turn, in milliseconds.'),
    maxContext: z.int().min(16).max(1_048_576).default(4096).describe('Longest sequence, in tokens.'),
    maxRunning: z
      .int()
      .min(1)
      .max(fleetBounds.scriptedRunning)
      .default(4096)
      .describe('Turns that are generated at once; more wait.'),
    maxWaiting: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(65_536)
      .describe('Turns that may wait; more are refused as RESOURCE_EXHAUSTED.'),
  })
  .check(rootsOfRemote);

export type ScriptedEngineConfig = z.infer<typeof scriptedEngineConfig>;
