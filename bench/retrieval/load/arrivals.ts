import type { Random } from '#environments/search/world/random.ts';

/**
 * When calls are due, in milliseconds from the start: a Poisson process, which is what many clients that know nothing of
 * each other look like. Endless.
 */
export function* arrivalsOf(ratePerSecond: number, random: Random): Generator<number, never> {
  let at = 0;
  for (;;) {
    at += (-Math.log(1 - random.next()) * 1000) / ratePerSecond;
    yield at;
  }
}
