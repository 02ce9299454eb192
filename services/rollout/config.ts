import { hostname } from 'node:os';
import { z } from 'zod';
import { duplicateWindowMs } from '#platform/nats/streams.ts';
import { addressList } from '#platform/grpc/follow-names.ts';
import { baseConfig, bindAddress } from '#platform/runtime/config.ts';
import { defaultFileLimits } from '#environments/own-file/contained.ts';
import { fleetBounds, longestWaitMs } from '#platform/runtime/fleet-bounds.ts';

const address = z.string().regex(/^[^\s,]+:\d{1,5}$/, 'must be host:port, for example 127.0.0.1:41234');

export const rolloutConfig = baseConfig.extend({
  natsUrl: z.string().min(1).default('nats://127.0.0.1:4222').describe('NATS server with JetStream.'),
  natsReplicas: z
    .int()
    .min(1)
    .max(5)
    .optional()
    .describe(
      'Servers of a NATS cluster that keep a copy of each stream; absent leaves streams as they are, new ones get one.',
    ),
  policy: addressList
    .describe(
      'gRPC address of the policy gateway; a comma list when there are several, or dns:///name:port for every address of a name.',
    )
    .meta({ example: '127.0.0.1:7001' }),
  retrieval: address
    .optional()
    .describe('gRPC address of the retrieval service; only environments that search need it.'),
  environmentFiles: z
    .array(z.string().min(1))
    .max(16)
    .default([])
    .describe('TypeScript files with environments of the user; a comma list as a flag.'),
  environmentProcesses: z
    .int()
    .min(1)
    .max(256)
    .default(defaultFileLimits.processes)
    .describe('Processes that play an environment of such a file; each holds many episodes.'),
  environmentMemoryMebibytes: z
    .int()
    .min(128)
    .max(1_048_576)
    .default(defaultFileLimits.memoryMebibytes)
    .describe('Memory of such a process with all that it starts; one that needs more is ended.'),
  environmentStartTimeoutMs: z
    .int()
    .min(1)
    .max(longestWaitMs)
    .default(defaultFileLimits.startTimeoutMs)
    .describe(
      'Longest time until such a process has loaded its file, and then opened the environment, in milliseconds.',
    ),
  environmentVariables: z
    .array(z.string().min(1).max(128))
    .max(64)
    .default([...defaultFileLimits.variables])
    .describe('Environment variables of this service that such a process may see, by name; a comma list as a flag.'),
  reward: address.describe('gRPC address of the reward service.').meta({ example: '127.0.0.1:7002' }),
  sessionsListen: bindAddress
    .default('127.0.0.1:0')
    .describe('Where sessions of agents are served over HTTP for the gateways, host:port; port 0 takes any free one.'),
  sessionsAddress: address
    .optional()
    .describe('host:port under which gateways of other machines reach that; absent: as it is listened on.'),
  concurrency: z
    .int()
    .min(1)
    .max(fleetBounds.workerConcurrency)
    .default(256)
    .describe('Rollouts that this process runs at once, at most.'),
  adaptConcurrency: z
    .boolean()
    .default(true)
    .describe('Run fewer rollouts at once while the engines say that they have too many requests.'),
  workerId: z
    .string()
    .min(1)
    .max(128)
    .default(() => `${hostname()}-${process.pid}`)
    .describe('Name of this worker in results.')
    .meta({ byDefault: 'host and process id' }),
  maxDeliveries: z
    .int()
    .min(1)
    .max(1000)
    .default(5)
    .describe(
      'Times that a task may fail, and that workers may die with it, each counted by itself, before it is given up: a failure is published, and it becomes a dead letter.',
    ),
  callTimeoutMs: z
    .int()
    .min(1)
    .max(longestWaitMs)
    .default(30_000)
    .describe('Longest time of a call that no limit of the task bounds more tightly, in milliseconds.'),
  publishTimeoutMs: z
    .int()
    .min(100)
    // Repeats of a result vanish for that long, so it must be over by then.
    .lt(duplicateWindowMs)
    .default(60_000)
    .describe('Longest time to publish a result while NATS is unavailable, in milliseconds.'),
  outboxMebibytes: z
    .int()
    .min(1)
    .max(16_384)
    .default(64)
    .describe('Memory for finished trajectories that are being stored; more of them wait for room.'),
  retries: z
    .int()
    .min(0)
    .max(100)
    .default(4)
    .describe('Failures of one call that are retried here before the task goes back to the queue.'),
  retryDelayMs: z
    .int()
    .min(1)
    .max(longestWaitMs)
    .default(100)
    .describe('First pause before such a retry; doubles up to 2 s. Milliseconds.'),
  redeliveryDelayMs: z
    .int()
    .min(0)
    .max(longestWaitMs)
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
});

export type RolloutConfig = z.infer<typeof rolloutConfig>;
