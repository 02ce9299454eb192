import { sleep } from '#platform/async/sleep.ts';

/** Polls until it holds. The time only ends a hang. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what = holds.toString(),
  timeoutMs = 100_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`did not happen within ${timeoutMs} ms: ${what}`);
    await sleep(10);
  }
}
