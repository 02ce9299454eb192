import type { Random } from '#platform/random.ts';

/**
 * Indexes of the positive weights in random order, drawn without replacement: each next one with a probability in proportion to its weight
 * among those that are left. By exponential keys -ln(u) / weight, ascending (Efraimidis and Spirakis 2006, algorithm A).
 */
export function weightedOrder(weights: readonly number[], random: Random): Uint32Array {
  const keys = weights.map((weight) => {
    // One draw for every index, so that a weight that becomes 0 does not move the draws of the others.
    const uniform = (random(2 ** 32 - 1) + 1) / 2 ** 32;
    return weight > 0 ? -Math.log(uniform) / weight : Infinity;
  });
  const order = Uint32Array.from(keys.flatMap((key, index) => (key < Infinity ? [index] : [])));
  return order.sort((a, b) => (keys[a] ?? 0) - (keys[b] ?? 0) || a - b);
}
