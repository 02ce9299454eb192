import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TerminalError } from '#shared/errors.ts';
import { pythonPath, pythonProgram } from '../repository.ts';
import { isReadable } from './is-readable.ts';

const run = promisify(execFile);

export interface InitialModel {
  /** Directory with config.json and tokenizer.json. */
  readonly from: string;
  readonly seed: number;
  /** Heads of the first layers start out copying. */
  readonly copying: boolean;
}

/** A model directory with fresh weights; one that is there already is left as it is. */
export async function makeInitialModel({ from, seed, copying }: InitialModel, out: string): Promise<string> {
  // The weights are written last: with them the directory is whole.
  if (await isReadable(join(out, 'model.safetensors'))) return out;
  const args = ['-m', 'gradus_learner.initial_model', '--from', from, '--out', out, '--seed', `${seed}`];
  try {
    await run(pythonProgram, [...args, ...(copying ? ['--copying'] : [])], {
      env: { ...process.env, PYTHONPATH: pythonPath },
      timeout: 600_000,
    });
  } catch (cause) {
    const said = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : '';
    throw new TerminalError('invalid_argument', `model.path: no fresh weights can be made: ${said || String(cause)}`, {
      cause,
    });
  }
  return out;
}
