import { z } from 'zod';
import { serverFields } from '#endpoint/server-fields.ts';
import { baseConfig, bindAddress } from '#platform/runtime/config.ts';
import { fleetBounds } from '#platform/runtime/fleet-bounds.ts';

export const endpointPolicyConfig = baseConfig.extend({
  ...serverFields,
  sessionsHttp: bindAddress
    .optional()
    .describe(
      'Where sessions of agents are served over HTTP, host:port; absent serves none. Each request needs the key of its session. Beyond this machine put TLS before it.',
    ),
  maxContext: z
    .int()
    .min(16)
    .max(1_048_576)
    .default(16_384)
    .describe('Longest conversation, in words of four bytes: about as many as tokens.'),
  maxRunning: z
    .int()
    .min(1)
    .max(fleetBounds.scriptedRunning)
    .default(16)
    .describe('Requests that the endpoint gets at once; more wait.'),
  maxWaiting: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(65_536)
    .describe('Requests that may wait; more are refused as RESOURCE_EXHAUSTED.'),
});

export type EndpointPolicyConfig = z.infer<typeof endpointPolicyConfig>;
