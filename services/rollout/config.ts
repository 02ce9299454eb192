import { hostname } from 'node:os';
import { z } from 'zod';
import { baseConfig } from '#shared/runtime/config.ts';

const address = z.string().regex(/^[^\s,]+:\d{1,5}$/, 'must be host:port, for example 127.0.0.1:41234');

export const rolloutConfig = baseConfig
  .extend({
    natsUrl: z.string().min(1).default('nats://127.0.0.1:4222').describe('NATS server with JetStream.'),
    policy: address.describe('gRPC address of the policy gateway.'),
    retrieval: address.describe('gRPC address of the retrieval service.'),
    reward: address.describe('gRPC address of the reward service.'),
    concurrency: z.int().min(1).max(4096).default(256).describe('Rollouts that this process runs at once.'),
    workerId: z
      .string()
      .min(1)
      .max(128)
      .default(() => `${hostname()}-${process.pid}`)
      .describe('Name of this worker in results; host and process id by default.'),
    heartbeatMs: z
      .int()
      .min(100)
      .default(10_000)
      .describe('Time between two signs of life for each task. Less than half of ack_wait (30 s). Milliseconds.'),
    maxDeliveries: z
      .int()
      .min(1)
      .max(1000)
      .default(5)
      .describe('Deliveries of a task after which a failure is published; max_deliver of the consumer.'),
    callTimeoutMs: z
      .int()
      .min(1)
      .default(30_000)
      .describe('Longest time of a call that no limit of the task bounds more tightly, in milliseconds.'),
    publishTimeoutMs: z
      .int()
      .min(100)
      .default(60_000)
      .describe('Longest time to publish a result while NATS is away, in milliseconds.'),
    retries: z
      .int()
      .min(0)
      .max(100)
      .default(4)
      .describe('Failures of one call that are retried here before the task goes back to the queue.'),
    retryDelayMs: z
      .int()
      .min(1)
      .default(100)
      .describe('First pause before such a retry; doubles up to 2 s. Milliseconds.'),
    redeliveryDelayMs: z
      .int()
      .min(0)
      .default(500)
      .describe('First pause before a task that failed here is delivered again; doubles up to 30 s. Milliseconds.'),
    scoreBatchItems: z.int().min(1).max(1024).default(64).describe('Rollouts that are scored in one call at most.'),
    scoreBatchWaitMs: z
      .int()
      .min(0)
      .max(1000)
      .default(3)
      .describe('How long a finished rollout waits for others to be scored with, in milliseconds.'),
    tokenCacheMebibytes: z
      .int()
      .min(0)
      .max(4096)
      .default(16)
      .describe('Memory for tokens of texts that were tokenised before.'),
  })
  .refine((config) => config.heartbeatMs <= 15_000, {
    path: ['heartbeatMs'],
    error: 'must be at most 15000: the queue takes a task back after 30 s of silence',
  });

export type RolloutConfig = z.infer<typeof rolloutConfig>;
