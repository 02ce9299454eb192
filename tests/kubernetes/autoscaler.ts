/**
 * What KEDA and a HorizontalPodAutoscaler do with components/autoscaling-workers, as a loop of our own: there is no cluster here. It reads
 * what the nats-jetstream scaler reads, decides by the same formulas, and starts and stops what it is given.
 */
import { z } from 'zod';
import { sleep } from '#platform/async/sleep.ts';

export interface Trigger {
  readonly account: string;
  readonly stream: string;
  readonly consumer: string;
  /** What one replica should have. */
  readonly lagThreshold: number;
}

const monitoring = z.looseObject({
  account_details: z
    .array(
      z.looseObject({
        name: z.string(),
        stream_detail: z
          .array(
            z.looseObject({
              name: z.string(),
              consumer_detail: z
                .array(z.looseObject({ name: z.string(), num_pending: z.int(), num_ack_pending: z.int() }))
                .default([]),
            }),
          )
          .default([]),
      }),
    )
    .default([]),
});

/** What waits in a consumer, and what its workers hold: num_pending + num_ack_pending of the monitoring endpoint. */
export async function readLag(endpoint: string, { account, stream, consumer }: Trigger): Promise<number> {
  const url = `http://${endpoint}/jsz?acc=${encodeURIComponent(account)}&consumers=true&config=true`;
  const answer = monitoring.parse(await (await fetch(url, { signal: AbortSignal.timeout(60_000) })).json());
  const found = answer.account_details
    .find(({ name }) => name === account)
    ?.stream_detail.find(({ name }) => name === stream)
    ?.consumer_detail.find(({ name }) => name === consumer);
  // KEDA would take the stream's last sequence, which only grows.
  if (found === undefined) throw new Error(`${url} knows no consumer ${consumer} of ${stream}`);
  return found.num_pending + found.num_ack_pending;
}

/** An autoscaler leaves the number as it is where usage is this close to the target. */
const tolerance = 0.1;

/** The number of replicas by the formula of a HorizontalPodAutoscaler with AverageValue; the largest of all triggers. */
export function decideReplicas(
  current: number,
  lags: readonly number[],
  triggers: readonly Trigger[],
  max: number,
): number {
  // KEDA starts the first one where any trigger is active; from then on the autoscaler decides.
  if (current === 0) return lags.some((lag) => lag > 0) ? 1 : 0;
  const wanted = triggers.map(({ lagThreshold }, index) => {
    const lag = lags[index] ?? 0;
    const usage = lag / (lagThreshold * current);
    return Math.abs(1 - usage) <= tolerance ? current : Math.ceil(lag / lagThreshold);
  });
  return Math.min(max, Math.max(1, ...wanted));
}

export interface AutoscalerOptions {
  readonly endpoint: string;
  readonly triggers: readonly Trigger[];
  readonly max: number;
  /** Between two looks. */
  readonly intervalMs: number;
  /** How long nothing waits before the last one goes. */
  readonly cooldownMs: number;
  readonly signal: AbortSignal;
  readonly start: () => Promise<{ stop(): Promise<void> }>;
  readonly onChange: (replicas: number) => void;
}

/** Runs until the signal; stops what it started. */
export async function autoscale(options: AutoscalerOptions): Promise<void> {
  const replicas: { stop(): Promise<void> }[] = [];
  const ending: Promise<void>[] = [];
  let activeAt = performance.now();

  async function scaleTo(wanted: number): Promise<void> {
    if (wanted === replicas.length) return;
    while (replicas.length > wanted) {
      const last = replicas.pop();
      // Like a Deployment: the others go on, and it is not waited for.
      if (last !== undefined) ending.push(last.stop());
    }
    const missing = wanted - replicas.length;
    replicas.push(...(await Promise.all(Array.from({ length: missing }, () => options.start()))));
    options.onChange(replicas.length);
  }

  while (!options.signal.aborted) {
    const lags = await Promise.all(options.triggers.map((trigger) => readLag(options.endpoint, trigger)));
    if (lags.some((lag) => lag > 0)) activeAt = performance.now();
    const isOver = performance.now() - activeAt >= options.cooldownMs;
    await scaleTo(isOver ? 0 : decideReplicas(replicas.length, lags, options.triggers, options.max));
    await sleep(options.intervalMs);
  }
  await scaleTo(0);
  await Promise.all(ending);
}
