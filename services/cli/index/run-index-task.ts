import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { TerminalError, errorCodes, errorOfCode } from '#platform/errors.ts';
import { watchInterrupts } from '../commands/interrupts.ts';
import { childEnvironment, hubVariables } from '#fleet/service-programs.ts';
import { repositoryRoot } from '#platform/repository.ts';

const progressSchema = z.discriminatedUnion('phase', [
  z.object({
    phase: z.enum(['reading', 'merging']),
    pages: z.number(),
    passages: z.number(),
    bytes: z.number(),
    terms: z.number(),
  }),
  z.object({ phase: z.literal('downloading'), file: z.string(), doneBytes: z.number(), totalBytes: z.number() }),
  z.object({
    phase: z.literal('encoding'),
    passages: z.number(),
    totalPassages: z.number(),
    passagesPerSecond: z.number(),
    remainingMs: z.number(),
  }),
  z.object({ phase: z.enum(['linking', 'publishing']), passages: z.number(), totalPassages: z.number() }),
]);
export type IndexProgress = z.infer<typeof progressSchema>;

const errorSchema = z.object({ code: z.enum(errorCodes), message: z.string(), stack: z.string().optional() });

const lineSchema = z.object({
  progress: progressSchema.optional(),
  result: z.unknown().optional(),
  error: errorSchema.optional(),
});

/**
 * Has the retrieval service's code do a task in a process of its own, in place, and gives its result. Ctrl-C ends the
 * task, which then leaves nothing half-written.
 */
export async function runIndexTask<T>(
  task: object,
  result: z.ZodType<T>,
  onProgress: (progress: IndexProgress) => void = () => {},
): Promise<T> {
  const entry = join(repositoryRoot, 'services/retrieval/index/main.ts');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', entry, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: childEnvironment(process.env, {}, hubVariables),
  });
  const interrupts = watchInterrupts();
  interrupts.onFirst(() => child.kill('SIGTERM'));
  try {
    const exited = once(child, 'exit');
    let answer: z.infer<typeof lineSchema> | undefined;
    for await (const line of createInterface({ input: child.stdout })) {
      const said = lineSchema.parse(JSON.parse(line));
      if (said.progress === undefined) answer = said;
      else onProgress(said.progress);
    }
    await exited;
    if (answer?.error !== undefined) {
      const { code, message, stack } = answer.error;
      throw errorOfCode(code, message, { cause: stack });
    }
    if (answer === undefined)
      throw new TerminalError('internal', `the index task ended without an answer (exit code ${child.exitCode})`);
    return result.parse(answer.result);
  } finally {
    interrupts.release();
  }
}
