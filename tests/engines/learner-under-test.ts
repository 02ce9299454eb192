import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pythonPath, pythonProgram } from '#platform/repository.ts';

export interface WrittenTurn {
  /** Directory of the weights that are asked. */
  readonly model: string;
  /** The prompt and what was written. */
  readonly tokenIds: readonly number[];
  /** Where what was written begins. */
  readonly from: number;
  readonly temperature: number;
}

/** Log-probabilities of what was written, a list per turn, by a forward pass of the learner in float32. */
export async function learnerLogprobs(turns: readonly WrittenTurn[]): Promise<number[][]> {
  return JSON.parse(await learner('learner_logprobs.py', [], JSON.stringify(turns)));
}

/** Writes a version of weights that are other ones than those in `model`; gives the digest of its weights. */
export async function writeVersion(model: string, target: string): Promise<string> {
  return (await learner('write_version.py', [model, target])).trim();
}

async function learner(program: string, args: readonly string[], input = ''): Promise<string> {
  const env = { ...process.env, PYTHONPATH: pythonPath, OMP_NUM_THREADS: '1' };
  const running = promisify(execFile)(pythonProgram, [join(import.meta.dirname, program), ...args], {
    env,
    maxBuffer: 16 * 1024 * 1024,
  });
  running.child.stdin?.end(input);
  return (await running).stdout;
}

export const largestDistance = (left: readonly number[], right: readonly number[]): number =>
  Math.max(...left.map((value, at) => Math.abs(value - (right[at] ?? NaN))));
