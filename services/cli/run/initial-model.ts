import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TerminalError } from '#platform/errors.ts';
import { pythonPath, pythonProgram } from '#platform/repository.ts';
import { isReadable } from './is-readable.ts';

const run = promisify(execFile);

export interface InitialModel {
  /** Directory with config.json and tokenizer.json. */
  readonly from: string;
  readonly seed: number;
  /** Heads of the first layers start out copying. */
  readonly copying: boolean;
}

/** Fresh weights of a large model are minutes of drawing and writing. */
const mostMs = 600_000;

/** A model directory with fresh weights; one that is there already is left as it is. */
export async function makeInitialModel(
  { from, seed, copying }: InitialModel,
  out: string,
  timeoutMs = mostMs,
): Promise<string> {
  // The weights are written last: with them the directory is whole.
  if (await isReadable(join(out, 'model.safetensors'))) return out;
  const named = ['-m', 'gradus_learner.initial.model', '--from', from, '--out', out, '--seed', `${seed}`];
  const args = [...named, ...(copying ? ['--copying'] : [])];
  try {
    await run(pythonProgram, args, {
      env: { ...process.env, PYTHONPATH: pythonPath },
      timeout: timeoutMs,
    });
  } catch (cause) {
    const { killed = false, signal } = Object(cause) as { readonly killed?: boolean; readonly signal?: string };
    if (killed) throw tookTooLong(from, args, out, timeoutMs, cause);
    if (signal !== undefined && signal !== null)
      throw new TerminalError(
        'failed_precondition',
        `model.weights: the program that makes fresh weights for ${from} was ended by ${signal}; look whether memory is short, then run it again`,
        { cause },
      );
    const said = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : '';
    throw new TerminalError(
      'invalid_argument',
      `model.path: fresh weights could not be made: ${said || String(cause)}`,
      {
        cause,
      },
    );
  }
  return out;
}

function tookTooLong(
  from: string,
  args: readonly string[],
  out: string,
  timeoutMs: number,
  cause: unknown,
): TerminalError {
  const command = `PYTHONPATH=${pythonPath} ${pythonProgram} ${args.join(' ')}`;
  return new TerminalError(
    'failed_precondition',
    `model.weights: fresh weights for ${from} were not made within the time limit of ${timeoutMs / 1000} s; make them once by hand (${command}), then set model.path: ${out} and leave model.weights out`,
    { cause },
  );
}
