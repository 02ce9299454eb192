/**
 * Stand-ins for weights: a chain of SHA-256 over everything that was trained on. Two learners that applied the same steps
 * to the same samples have the same weights, byte for byte; one step twice, or another batch, gives others.
 */
import { createHash } from 'node:crypto';
import type { TrainedSample } from './read-sample.ts';

export const initialChain = '0'.repeat(64);

export function chainStep(chain: string, step: number, samples: readonly TrainedSample[]): string {
  const hash = createHash('sha256').update(`${chain} ${step}\n`);
  for (const { digest, advantage, truncated } of samples) hash.update(`${digest} ${advantage} ${truncated}\n`);
  return hash.digest('hex');
}

/** A safetensors file with one tensor of 32 bytes. */
export function safetensorsOf(chain: string): Uint8Array {
  const header = JSON.stringify({ chain: { dtype: 'U8', shape: [32], data_offsets: [0, 32] } });
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, Buffer.from(header), Buffer.from(chain, 'hex')]);
}
