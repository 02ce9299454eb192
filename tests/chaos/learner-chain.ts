import { createHash } from 'node:crypto';
import type { StoredRun } from './stored-run.ts';

/**
 * What the scripted learner's weights have to be if it applied every step of the ledger once, in order, to the samples that
 * the ledger names: the last 32 bytes of its file are a chain of SHA-256 over all of them. A step that was applied twice, left out, or
 * applied to other tokens or advantages, gives other bytes. Written here once more on purpose: the audit does not ask the learner.
 */
function expectedWeights({ entries, digests }: Pick<StoredRun, 'entries' | 'digests'>): string {
  let chain = '0'.repeat(64);
  for (const { value } of entries) {
    if (value.fact.case !== 'stepFormed') continue;
    const { step, samples } = value.fact.value;
    const hash = createHash('sha256').update(`${chain} ${step}\n`);
    for (const { trajectorySequence, advantage, truncated } of samples)
      hash.update(`${digests.get(trajectorySequence) ?? 'missing'} ${advantage} ${truncated}\n`);
    chain = hash.digest('hex');
  }
  return chain;
}

/** Undefined when the weights that the run ended with are what its ledger says. */
export function learnerFinding(run: StoredRun, weights: Buffer): string | undefined {
  const expected = expectedWeights(run);
  const found = weights.subarray(-32).toString('hex');
  if (found === expected) return undefined;
  return `learner: its weights are ${found}, but every step of the ledger applied once gives ${expected}`;
}
