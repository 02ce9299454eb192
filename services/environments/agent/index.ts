import { z } from 'zod';
import { defineEnvironment } from '../kit/environment.ts';
import { agentOptions } from './options.ts';
import { agentWaits } from './waits.ts';

/** An agent that owns its loop: whatever calls an OpenAI-compatible endpoint, which is the policy. */
export const agent = defineEnvironment({
  name: 'agent',
  about:
    'Train an agent that owns its loop: a program or a server that asks the policy through an OpenAI-compatible endpoint.',
  options: agentOptions,
  row: {
    data: z.record(z.string(), z.unknown()).describe('What the agent gets as `data` of the JSON on its stdin.'),
    gold: z.record(z.string(), z.unknown()).describe('What scorers compare with, if there are any.'),
  },
  locate: (options, at) => ({ ...options, directory: at(options.directory ?? '.') }),
  variables: ({ environment, webhook, open }) => [
    ...environment,
    ...[webhook?.secret_env, open?.key_env].filter((name) => name !== undefined),
  ],
  sessionsAt: ({ sessions }) => sessions,
  waits: agentWaits,
  rewardsOf: ({ rewards }) => rewards,
  scorers: ['exact_match'],
  branches: true,
  primaryMetric: 'reward',
  speaksInMessages: () => true,
  async open(options, clients) {
    // The HTTP server is loaded where it is used: every program knows this list of environments.
    const { openAgents } = await import('./open-environment.ts');
    return await openAgents(options, clients);
  },
});
