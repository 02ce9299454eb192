import type { Random } from '#platform/random.ts';

/** A log-normal distribution of times. */
export interface LatencyOptions {
  /** 0 is no latency. */
  readonly latencyMedianMs: number;
  /** Standard deviation of the logarithm; 0 gives the median always. */
  readonly latencySigma: number;
  readonly latencyMaxMs: number;
}

const resolution = 2 ** 32;

/** One draw of a log-normal time, whole microseconds apart: exp(ln median + sigma z), with z by Box and Muller. */
export function drawLatencyMs(options: LatencyOptions, random: Random): number {
  const { latencyMedianMs, latencySigma, latencyMaxMs } = options;
  if (latencyMedianMs === 0) return 0;
  // In (0, 1], so that its logarithm is finite.
  const radius = (random(resolution) + 1) / resolution;
  const angle = random(resolution) / resolution;
  const z = Math.sqrt(-2 * Math.log(radius)) * Math.cos(2 * Math.PI * angle);
  return Math.min(latencyMaxMs, latencyMedianMs * Math.exp(latencySigma * z));
}
