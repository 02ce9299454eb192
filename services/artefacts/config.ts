import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { rootsField, rootsOfRemote } from '#platform/files/check-roots.ts';
import { baseConfig } from '#platform/runtime/config.ts';

export const artefactsConfig = baseConfig
  .extend({
    store: z
      .string()
      .min(1)
      .describe(
        'The store of the fleet: an absolute path that all machines share, nats:BUCKET, or s3://BUCKET/PREFIX?endpoint=URL&region=REGION (keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY).',
      )
      .meta({ example: 'nats:artefacts' }),
    storeMaxBytes: z
      .int()
      .min(1)
      .max(2 ** 50)
      .optional()
      .describe('Most bytes that a bucket of NATS takes when it is made here; absent: what the server has.'),
    natsUrl: z
      .string()
      .min(1)
      .default('nats://127.0.0.1:4222')
      .describe('NATS server with JetStream, for nats:BUCKET.'),
    natsReplicas: z
      .int()
      .min(1)
      .max(5)
      .optional()
      .describe('Servers of a NATS cluster that keep a copy of a bucket that is made here.'),
    roots: rootsField,
    fetch: z
      .array(
        z
          .string()
          .regex(/^[^=]+=artefact:[0-9a-f]{64}$/, 'must be DIRECTORY=artefact:DIGEST, as gradus artefact put prints it')
          .refine((entry) => isAbsolute(entry), 'the directory must be an absolute path'),
      )
      .max(64)
      .default([])
      .describe(
        'What is fetched before this service serves, DIRECTORY=artefact:DIGEST each: a model, a tokenizer or a corpus for programs next to it. A directory that is there has to hold it.',
      ),
    concurrency: z.int().min(1).max(64).default(4).describe('Transfers at a time, of one call.'),
  })
  .check(rootsOfRemote);

export type ArtefactsConfig = z.infer<typeof artefactsConfig>;
