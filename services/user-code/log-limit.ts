export interface LogLimit {
  /** Undefined: not now. Else the number that was kept back since the last time. */
  take(): number | undefined;
}

/** At most `lines` in `windowMs`: what a scorer says on every rollout must not drown the log. */
export function createLogLimit(lines: number, windowMs: number, now: () => number = () => performance.now()): LogLimit {
  let windowEndsMs = -Infinity;
  let left = 0;
  let keptBack = 0;
  return {
    take() {
      if (now() >= windowEndsMs) {
        windowEndsMs = now() + windowMs;
        left = lines;
      }
      if (left === 0) {
        keptBack += 1;
        return undefined;
      }
      left -= 1;
      const suppressed = keptBack;
      keptBack = 0;
      return suppressed;
    },
  };
}
