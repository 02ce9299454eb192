import { createHash } from 'node:crypto';

/** What a group is: everything that decides its id, and nothing else (P8). */
export interface GroupKey {
  readonly recipeHash: string;
  readonly seed: number;
  /** Name of the stage, with its round when it is repeated, and the evaluation if it is one. */
  readonly stage: string;
  /** Step of the stage, from 0. */
  readonly step: number;
  /** Which draw of the step: one question may come twice in a step at the end of an epoch. */
  readonly draw: string;
  readonly questionId: string;
}

/** Lower-case hex, 64 characters. */
export function groupIdOf(key: GroupKey): string {
  return hash(['group', key.recipeHash, key.seed, key.stage, key.step, key.draw, key.questionId]);
}

/** Lower-case hex, 64 characters; the same wherever and whenever it is computed. */
export function taskIdOf(key: GroupKey, sampleIndex: number): string {
  return hash(['task', key.recipeHash, key.seed, key.stage, key.step, key.draw, key.questionId, sampleIndex]);
}

/**
 * Seed of what is drawn for a group, 63 bits. The recipe's hash has no part in it: a path that the recipe names, or a field that a
 * later version adds, changes no draw, and two recipes with one seed are compared on the same draws.
 */
export function groupSeedOf(key: Omit<GroupKey, 'recipeHash'>): bigint {
  return seedOf(hash(['group seed', key.seed, key.stage, key.step, key.draw, key.questionId]));
}

/** Seed of the turns of a sample, 63 bits. An attempt has no part in it: a redelivery draws the same tokens. */
export function samplingSeedOf(groupSeed: bigint, sampleIndex: number): bigint {
  return seedOf(hash(['sample seed', groupSeed.toString(), sampleIndex]));
}

/** The first 63 bits that fit an int64. */
function seedOf(digest: string): bigint {
  return BigInt(`0x${digest.slice(0, 16)}`) & 0x7fff_ffff_ffff_ffffn;
}

// JSON keeps the parts apart: ["a","bc"] and ["ab","c"] differ.
function hash(parts: readonly (string | number)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
