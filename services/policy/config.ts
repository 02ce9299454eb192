import { z } from 'zod';
import { addressOrName } from '#platform/grpc/follow-names.ts';
import { baseConfig, bindAddress } from '#platform/runtime/config.ts';
import { fleetBounds, longestWaitMs } from '#platform/runtime/fleet-bounds.ts';

export const policyConfig = baseConfig
  .extend({
    engines: z
      .array(addressOrName)
      .max(fleetBounds.engines)
      .default([])
      .describe(
        'gRPC addresses of the engines; a comma list as a flag. dns:///name:port stands for every address of the name, asked again and again. More may join later (AddEngine).',
      ),
    enginesFolder: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Folder that keeps the engines added by hand (AddEngine): an empty file each, named by its address. Gateways that share it agree within resolveIntervalMs, and one that is started again knows them. Absent: only this gateway knows them, until it ends.',
      ),
    maxEngines: z
      .int()
      .min(1)
      .max(fleetBounds.engines)
      .default(fleetBounds.engines)
      .describe('Engines that this gateway takes at most.'),
    resolveIntervalMs: z
      .int()
      .min(100)
      .max(longestWaitMs)
      .default(5_000)
      .describe('Time between two looks at the addresses of a dns:/// name, and at enginesFolder, in milliseconds.'),
    sessionsHttp: bindAddress
      .optional()
      .describe(
        'Where sessions of agents are served over HTTP, host:port; absent serves none. Each request needs the key of its session. Beyond this machine put TLS before it.',
      ),
    tokenizer: z
      .string()
      .min(1)
      .describe('Path of the tokenizer.json that all engines share.')
      .meta({ example: 'policies/nano/tokenizer.json' }),
    maxInFlightPerEngine: z
      .int()
      .min(1)
      .max(65_536)
      .default(512)
      .describe('Requests that one engine gets at a time; more wait here.'),
    maxQueued: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(4096)
      .describe('Requests that may wait here; more are refused as RESOURCE_EXHAUSTED.'),
    maxOutageMs: z
      .int()
      .min(0)
      .max(longestWaitMs)
      .default(60_000)
      .describe(
        'How long a request waits here while no engine could take it, for one to come back or join; then UNAVAILABLE. Milliseconds.',
      ),
    maxSessions: z
      .int()
      .min(1)
      .max(10_000_000)
      .default(65_536)
      .describe('Sessions whose engine is remembered, so that its cache is used.'),
    generateTimeoutMs: z
      .int()
      .min(1)
      .max(longestWaitMs)
      .default(120_000)
      .describe('Longest time of one generation when the caller allows more, in milliseconds.'),
    loadTimeoutMs: z
      .int()
      .min(1)
      .max(longestWaitMs)
      .default(120_000)
      .describe('Longest time that an engine may take to load a version, in milliseconds.'),
    probeIntervalMs: z
      .int()
      .min(10)
      .max(longestWaitMs)
      .default(500)
      .describe('Time between two looks at an engine, in milliseconds.'),
    probeTimeoutMs: z
      .int()
      .min(10)
      .max(longestWaitMs)
      .default(2_000)
      .describe(
        'How long an engine may take to answer a probe, in milliseconds. One that has been slow lately gets four times its slowest answer.',
      ),
    maxProbeTimeoutMs: z
      .int()
      .min(10)
      .max(longestWaitMs)
      .default(15_000)
      .describe('The most that the timeout of a slow engine grows to, in milliseconds.'),
    probeFailures: z
      .int()
      .min(1)
      .max(100)
      .default(2)
      .describe('Probes in a row that an engine may miss before what it works on is moved.'),
  })
  .refine((config) => new Set(config.engines).size === config.engines.length, {
    path: ['engines'],
    error: 'names an engine twice',
  })
  .refine((config) => config.maxProbeTimeoutMs >= config.probeTimeoutMs, {
    path: ['maxProbeTimeoutMs'],
    error: 'must be at least probeTimeoutMs',
  });

export type PolicyConfig = z.infer<typeof policyConfig>;
