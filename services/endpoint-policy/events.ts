import type { Metrics } from '#platform/telemetry/metrics.ts';

export type EndpointOutcome =
  | 'answered'
  | 'context'
  | 'rate_limited'
  | 'unavailable'
  | 'refused'
  | 'cancelled'
  | 'full';

export interface EndpointPolicyEvents {
  called(outcome: EndpointOutcome, elapsedMs: number): void;
  used(promptTokens: number, completionTokens: number): void;
  loadChanged(running: number, waiting: number): void;
}

export function createEndpointPolicyEvents(metrics: Metrics): EndpointPolicyEvents {
  const calls = metrics.counter('gradus_endpoint_calls_total', 'Calls of an endpoint that is evaluated, by outcome.', [
    'outcome',
  ]);
  const seconds = metrics.histogram('gradus_endpoint_call_seconds', 'Time to answer a call, waiting excluded.', []);
  const tokens = metrics.counter('gradus_endpoint_tokens_total', 'Tokens that the endpoint says it read and wrote.', [
    'kind',
  ]);
  const running = metrics.gauge('gradus_endpoint_running_requests', 'Requests that the endpoint works on.');
  const waiting = metrics.gauge('gradus_endpoint_waiting_requests', 'Requests that wait for a place at the endpoint.');
  return {
    called(outcome, elapsedMs) {
      calls.inc({ outcome });
      seconds.observe({}, elapsedMs / 1000);
    },
    used(promptTokens, completionTokens) {
      tokens.inc({ kind: 'prompt' }, promptTokens);
      tokens.inc({ kind: 'completion' }, completionTokens);
    },
    loadChanged(runningNow, waitingNow) {
      running.set(runningNow);
      waiting.set(waitingNow);
    },
  };
}
