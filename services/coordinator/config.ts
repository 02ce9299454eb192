import { z } from 'zod';
import { artefactFields } from '#artefacts/artefact-files.ts';
import { addressList, hostAndPort } from '#platform/grpc/follow-names.ts';
import { rootsField, rootsOfRemote } from '#platform/files/check-roots.ts';
import { baseConfig } from '#platform/runtime/config.ts';

export const coordinatorConfig = baseConfig
  .extend({
    roots: rootsField,
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
        'The policy gateway, host:port; a comma list when there are several, or dns:///name:port for every address of a name.',
      )
      .meta({ example: '127.0.0.1:7001' }),
    learner: hostAndPort.optional().describe('The learner, host:port; recipes of which no stage trains do without.'),
    artefacts: artefactFields.artefacts,
    environmentFiles: z
      .array(z.string().min(1))
      .max(16)
      .default([])
      .describe('TypeScript files with environments of the user; a comma list as a flag.'),
    reward: hostAndPort
      .optional()
      .describe('The reward service, host:port; recipes that declare scorers need it, others do without.'),
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
    maxOutageMs: z
      .int()
      .min(0)
      .max(24 * 3600_000)
      .default(300_000)
      .describe(
        'How long a learner or policy that does not answer is waited for before the run fails, in milliseconds. It can be resumed.',
      ),
    maxRuns: z
      .int()
      .min(1)
      .max(64)
      .default(1)
      .describe('Runs at once, over all coordinators of the fleet; a learner has one.'),
    maxQueuedRuns: z
      .int()
      .min(0)
      .max(256)
      .default(16)
      .describe('Runs that may wait until others have ended, over all coordinators of the fleet; 0 refuses them.'),
    home: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Folder of the runs of recipes that are submitted to this fleet; `offer.json` in it says with which inputs. Absent: it takes only runs that are resolved already.',
      ),
    fleetId: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, - and _')
      .default('default')
      .describe('Coordinators of one fleet take over the runs of each other, and of no other fleet.'),
    coordinatorId: z
      .string()
      .regex(/^[A-Za-z0-9_.-]{0,64}$/, 'must be at most 64 letters, digits, -, _ and .')
      .default('')
      .describe(
        'Name of this coordinator. One that comes back under its name goes on with its runs at once; empty: a new name.',
      ),
    advertise: z
      .union([z.literal(''), hostAndPort])
      .default('')
      .describe('Where other coordinators reach this one, host:port; empty: the bound address.'),
  })
  .check(rootsOfRemote);

export type CoordinatorConfig = z.infer<typeof coordinatorConfig>;
