import { z } from 'zod';
import { baseConfig } from '#shared/runtime/config.ts';

const address = z.string().regex(/^[^\s:]+:\d{1,5}$/, 'must be host:port');

export const coordinatorConfig = baseConfig.extend({
  natsUrl: z.string().min(1).default('nats://127.0.0.1:4222').describe('NATS server with JetStream.'),
  policy: address.describe('The policy gateway, host:port.'),
  learner: address.describe('The learner, host:port.'),
  trainTimeoutMs: z
    .int()
    .min(1000)
    .max(24 * 3600_000)
    .default(1_800_000)
    .describe('Longest training step, in milliseconds.'),
  loadTimeoutMs: z
    .int()
    .min(1000)
    .max(3600_000)
    .default(300_000)
    .describe('Longest load of a policy version on all engines, in milliseconds.'),
  patienceMs: z
    .int()
    .min(0)
    .max(24 * 3600_000)
    .default(300_000)
    .describe(
      'How long a learner or policy that does not answer is waited for before the run fails, in milliseconds. It can be resumed.',
    ),
  maxRuns: z.int().min(1).max(64).default(1).describe('Runs at once; a learner has one.'),
});

export type CoordinatorConfig = z.infer<typeof coordinatorConfig>;
