import { z } from 'zod';
import { checkRewardBounds, memoryOption, rewardBounds, stopOption, variablesOption } from '../kit/options.ts';

export const pythonOptions = z
  .strictObject({
    path: z.string().min(1).max(4096).describe('Your Python file; relative to the recipe.'),
    class: z
      .string()
      .regex(/^[A-Za-z_]\w*$/, 'must be the name of a class')
      .optional()
      .describe('Class in it with reset(row) and step(text); each episode has an instance of its own.'),
    load_environment: z
      .literal(true)
      .optional()
      .describe('In the place of `class`: the file has load_environment(), which gives an environment of verifiers.'),
    options: z
      .record(z.string(), z.json())
      .default({})
      .describe('Keyword arguments of the class or of load_environment.'),
    rewards: z
      .array(z.string().regex(/^[a-z][a-z0-9_]{0,63}$/))
      .max(64)
      .default(['environment_reward'])
      .describe(
        'Names of the rewards that an episode gives, all of them when it is done; a reward that is one number is `environment_reward`; none where scorers alone judge.',
      ),
    ...rewardBounds,
    stop: stopOption.describe('A turn ends at one of these, which step does not get.'),
    python: z.string().min(1).default('python3').describe('Interpreter, with the packages that the file needs.'),
    processes: z.int().min(1).max(256).default(1).describe('Processes of a worker; each holds many episodes.'),
    memory_mebibytes: memoryOption
      .default(1024)
      .describe('Memory of a process with all that it starts; one that needs more is ended.'),
    timeout_ms: z
      .int()
      .min(1)
      .max(3_600_000)
      .default(10_000)
      .describe('Longest time of one reset, step or close; a process that takes longer is ended.'),
    start_timeout_ms: z
      .int()
      .min(1)
      .max(3_600_000)
      .default(60_000)
      .describe('Longest time until a process has loaded the file.'),
    environment: variablesOption.describe(
      'Environment variables of the worker that the file may see, by name; apart from these only what a program needs to run, as PATH and HOME.',
    ),
  })
  .superRefine(({ class: name, load_environment }, ctx) => {
    if ((name === undefined) === (load_environment === undefined))
      ctx.addIssue({ code: 'custom', path: ['class'], message: 'give one of class and load_environment' });
  })
  .superRefine(checkRewardBounds);
export type PythonOptions = z.output<typeof pythonOptions>;
