import { z } from 'zod';
import { baseConfig } from '#shared/runtime/config.ts';

const address = z.string().regex(/^[^\s,]+:\d{1,5}$/, 'must be host:port, for example 127.0.0.1:41234');

export const policyConfig = baseConfig
  .extend({
    engines: z.array(address).min(1).max(256).describe('gRPC addresses of the engines; a comma list as a flag.'),
    tokenizer: z.string().min(1).describe('Path of the tokenizer.json that all engines share.'),
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
    maxSessions: z
      .int()
      .min(1)
      .max(10_000_000)
      .default(65_536)
      .describe('Sessions whose engine is remembered, so that its cache is used.'),
    generateTimeoutMs: z
      .int()
      .min(1)
      .default(120_000)
      .describe('Longest time of one generation when the caller allows more, in milliseconds.'),
    loadTimeoutMs: z
      .int()
      .min(1)
      .default(120_000)
      .describe('Longest time that an engine may take to load a version, in milliseconds.'),
    probeIntervalMs: z.int().min(10).default(1_000).describe('Time between two looks at an engine, in milliseconds.'),
    probeTimeoutMs: z
      .int()
      .min(10)
      .default(10_000)
      .describe('Longest time an engine may take to answer a probe; it must survive a busy engine. Milliseconds.'),
    probeFailures: z
      .int()
      .min(1)
      .max(100)
      .default(3)
      .describe('Probes in a row that an engine may miss before what it works on is moved.'),
  })
  .refine((config) => new Set(config.engines).size === config.engines.length, {
    path: ['engines'],
    error: 'names an engine twice',
  });

export type PolicyConfig = z.infer<typeof policyConfig>;
