import { expect, test } from 'vitest';
import { duplicateWindowMs } from '#platform/nats/streams.ts';
import { coordinatorConfig } from '../../services/coordinator/config.ts';
import { policyConfig } from '../../services/policy/config.ts';
import { rolloutConfig } from '../../services/rollout/config.ts';

const worker = (overrides: object = {}) =>
  rolloutConfig.safeParse({ policy: 'h:1', retrieval: 'h:2', reward: 'h:3', ...overrides });

test('P3: deadlines of services that call each other nest: the callee gives up first and can say why', () => {
  const policy = policyConfig.parse({ engines: ['h:1'], tokenizer: 't' });
  const coordinator = coordinatorConfig.parse({ policy: 'h:1', learner: 'h:2' });
  expect(policy.loadTimeoutMs).toBeLessThan(coordinator.loadTimeoutMs);
  const { data } = worker();
  expect(data?.publishTimeoutMs).toBeLessThan(duplicateWindowMs);
});

test('P1, P3: a worker that would publish beyond the time in which repeats vanish does not start', () => {
  const [issue] = worker({ publishTimeoutMs: duplicateWindowMs }).error?.issues ?? [];
  expect(issue).toMatchObject({ code: 'too_big', path: ['publishTimeoutMs'], maximum: duplicateWindowMs });
});
