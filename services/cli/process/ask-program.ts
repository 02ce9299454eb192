import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { z } from 'zod';
import { TerminalError, TransientError, cancelledFrom } from '#platform/errors.ts';
import { repositoryRoot } from '#platform/repository.ts';

const failureSchema = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

export interface ProgramQuestion<Answer> {
  /** Entry file of a service's own program, relative to the repository. */
  readonly entry: string;
  readonly args: readonly string[];
  readonly input: Uint8Array;
  readonly answer: z.ZodType<Answer>;
  /** Of the whole process. */
  readonly timeoutMs: number;
  /** What an error means, for messages: `the rollout could not be played again`. */
  readonly failure: string;
  readonly signal: AbortSignal;
}

/** Largest answer: a trajectory of about a million tokens, as JSON. */
const maxBytes = 64 * 1024 * 1024;

/**
 * Runs a program of a service in a process of its own: input on its stdin, one line of JSON from its stdout. This is how a
 * command uses a service's code without being part of it. Throws TransientError when it gives no answer or says `unavailable`,
 * TerminalError('failed_precondition') for any other error that it names.
 */
export async function askProgram<Answer>(question: ProgramQuestion<Answer>): Promise<Answer> {
  const { entry, args, input, timeoutMs, failure, signal } = question;
  const { error, stdout, stderr } = await new Promise<{ error: Error | null; stdout: string; stderr: string }>(
    (resolve) => {
      const child = execFile(
        process.execPath,
        ['--disable-warning=ExperimentalWarning', join(repositoryRoot, entry), ...args],
        { timeout: timeoutMs, maxBuffer: maxBytes, signal },
        (failed, out, err) => resolve({ error: failed, stdout: out, stderr: err }),
      );
      // A child that ended before it has read everything says why on its stdout.
      child.stdin?.on('error', () => {});
      child.stdin?.end(input);
    },
  );
  if (signal.aborted) throw cancelledFrom(signal.reason);
  const value = jsonOf(stdout);
  const said = failureSchema.safeParse(value);
  if (said.success) {
    const { code, message } = said.data.error;
    throw code === 'unavailable'
      ? new TransientError('unavailable', message)
      : new TerminalError('failed_precondition', `${failure}: ${message}`);
  }
  const answer = question.answer.safeParse(value);
  if (answer.success) return answer.data;
  const last = stderr.trim().split('\n').at(-1) ?? '';
  throw new TransientError('unavailable', `${failure}: no answer within ${timeoutMs} ms: ${last}`, { cause: error });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Cut off, or nothing at all: it is no answer then.
    return undefined;
  }
}
