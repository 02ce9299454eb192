import { z } from 'zod';
import { defaultFileLimits } from '#environments/own-file/contained.ts';
import { filePath } from './run-parts.ts';

const fileLimitsSchema = z
  .strictObject({
    processes: z
      .int()
      .min(1)
      .max(256)
      .default(defaultFileLimits.processes)
      .describe('Processes of a worker; each holds many episodes.'),
    memory_mebibytes: z
      .int()
      .min(128)
      .max(1_048_576)
      .default(defaultFileLimits.memoryMebibytes)
      .describe('Memory of a process with all that it starts; one that needs more is ended.'),
    start_timeout_ms: z
      .int()
      .min(1)
      .max(3_600_000)
      .default(defaultFileLimits.startTimeoutMs)
      .describe('Longest time until a process has loaded the file, and then opened the environment.'),
    environment: z
      .array(z.string().min(1).max(128))
      .max(64)
      .default([])
      .describe(
        'Environment variables of the worker that the file may see, by name; apart from these only what a program needs to run, as PATH and HOME.',
      ),
  })
  .describe('Of `path`: what the processes that play it may take.');

export const environmentSchema = z
  .strictObject({
    name: z.string().max(64).default('').describe('A built-in environment; each is described below.'),
    path: filePath
      .optional()
      .describe('In its place: a TypeScript file with an environment of your own, relative to the recipe.'),
    limits: fileLimitsSchema.optional(),
    options: z
      .record(z.string(), z.json())
      .default({})
      .describe('Its options, checked by its own schema; what is left out gets its default.'),
  })
  .refine(({ path, limits }) => path !== undefined || limits === undefined, {
    path: ['limits'],
    error: 'belongs to path; a built-in environment has limits among its options',
  })
  .describe('The task that the policy acts in.');
