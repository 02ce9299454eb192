const MASK = (1n << 64n) - 1n;

/** SplitMix64's finaliser: every bit of the input changes about half of the output's bits. */
function mix(value: bigint): bigint {
  let z = value & MASK;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
  return z ^ (z >> 31n);
}

/** Seed of turn `turn` (from 0) of a rollout: the same whenever and wherever the rollout runs. uint64. */
export function turnSeed(rolloutSeed: bigint, turn: number): bigint {
  return mix(mix(rolloutSeed) + BigInt(turn + 1) * 0x9e3779b97f4a7c15n);
}
