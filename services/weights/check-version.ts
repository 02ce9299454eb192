import { TerminalError } from '#platform/errors.ts';

/** Versions grow by one with each step; a run that follows another one goes on above its last. As in gradus_learner/engine/service.py. */
const longestJump = 2n ** 32n;

/** Engines never go back, so one version out of reach would be the last that a fleet loads. Throws TerminalError. */
export function checkVersion(version: bigint, current: bigint): void {
  if (isWithinReach(version, current)) return;
  throw new TerminalError(
    'invalid_argument',
    `LoadVersion: version is ${version}, and ${current} serves; give one of at most ${current + longestJump}`,
    { details: { field: 'version' } },
  );
}

export function isWithinReach(version: bigint, current: bigint): boolean {
  return version <= current + longestJump && version <= BigInt(Number.MAX_SAFE_INTEGER);
}
