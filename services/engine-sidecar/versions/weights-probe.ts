import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { EngineServer, ServerDescription } from '#engines/kit/engine-server.ts';
import { TerminalError, errorFrom } from '#platform/errors.ts';

/** Next to model.safetensors, as gradus_learner/train/weights_probe.py writes it. */
export const probeName = 'probe.json';

const probeSchema = z
  .object({
    tokenIds: z.array(z.int().min(0)).min(2).max(1024),
    logprobs: z.array(z.number()).min(1),
  })
  .refine(
    ({ tokenIds, logprobs }) => logprobs.length === tokenIds.length - 1,
    'has as many logprobs as tokens after the first',
  );

/** Tokens, and what a version's weights say of each after the first: raw log-probabilities of a pass of the learner. */
export type WeightsProbe = z.infer<typeof probeSchema>;

/** Undefined where there is none: weights that the learner did not write as a version. Throws TerminalError('data_loss') for one that is damaged. */
export async function readProbe(directory: string): Promise<WeightsProbe | undefined> {
  const path = join(directory, probeName);
  try {
    return probeSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    if (errorFrom(cause).code === 'not_found') return undefined;
    throw new TerminalError('data_loss', `${path} is cut or damaged`, { cause });
  }
}

/** What is asked where a directory has no probe: whether anything changed at all. */
export const plainProbe: Pick<WeightsProbe, 'tokenIds'> = {
  tokenIds: Array.from({ length: 32 }, (_, at) => 5 + 3 * at),
};

/**
 * Why the server does not compute with the weights that it was given; undefined when it does, or when that cannot be found out. `before` are its scores of the
 * same tokens with the weights before. Servers have been seen that answer a load with success and keep half of what they had.
 */
export async function weightsProblem(
  server: EngineServer,
  { toleranceNats }: ServerDescription,
  probe: WeightsProbe | Pick<WeightsProbe, 'tokenIds'>,
  before: readonly number[] | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  const scores = await server.score?.(probe.tokenIds, signal);
  if (scores === undefined) return undefined;
  if ('logprobs' in probe) {
    const off = meanDistance(scores, probe.logprobs);
    // Not a number compares as false.
    if (!(off <= toleranceNats))
      return `its log-probabilities are ${off.toFixed(3)} nats off those of the weights in the mean of ${scores.length} tokens, over ${toleranceNats}`;
  }
  const isSame = before !== undefined && scores.every((score, at) => score === before[at]);
  return isSame ? 'its log-probabilities are, to the last bit, those of the weights before' : undefined;
}

function meanDistance(left: readonly number[], right: readonly number[]): number {
  return left.reduce((sum, value, at) => sum + Math.abs(value - (right[at] ?? NaN)), 0) / left.length;
}
