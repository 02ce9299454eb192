import { expect, test } from 'vitest';
import { countRestarts } from './count-restarts.ts';
import type { SupervisionEvents } from './supervise-service.ts';

test('P9: the end of a run says which services died or hung on the way, and passes every event on', () => {
  const passed: string[] = [];
  const events = {
    died: (label: string) => passed.push(`died ${label}`),
    hung: (label: string) => passed.push(`hung ${label}`),
    notServing: () => undefined,
    restarted: (label: string) => passed.push(`restarted ${label}`),
    restartFailed: () => undefined,
  } satisfies SupervisionEvents;
  const restarts = countRestarts(events);
  expect(restarts.describe()).toBeUndefined();
  const exit = { code: 1, signal: null };
  restarts.events.died('policy', exit, 10);
  restarts.events.died('policy', exit, 10);
  restarts.events.died('nats', exit, 10);
  restarts.events.restarted('policy', 7);
  expect(restarts.describe()).toBe('services were started again: policy 2 times, nats died; their logs say why');
  restarts.events.hung('rollout-1', { silentMs: 12_000, reason: 'no answer' }, 10);
  expect(restarts.describe()).toBe(
    'services were started again: policy 2 times, nats died; rollout-1 hung and was killed; their logs say why',
  );
  expect(passed).toEqual(['died policy', 'died policy', 'died nats', 'restarted policy', 'hung rollout-1']);
});
