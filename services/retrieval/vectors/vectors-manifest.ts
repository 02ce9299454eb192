import { z } from 'zod';
import { poolings } from '../models/pool-tokens.ts';

export const vectorKinds = ['exact', 'hnsw'] as const;
export type VectorKind = (typeof vectorKinds)[number];

/** How numbers are kept in an HNSW file; vectors for exact search are always f32. */
export const vectorScalars = ['f32', 'f16'] as const;
export type VectorScalar = (typeof vectorScalars)[number];

/** What made the vectors of an index, and how they are kept: part of the index's manifest. */
export const vectorsManifestSchema = z.strictObject({
  model: z.string(),
  weightsSha256: z.string().regex(/^[0-9a-f]{64}$/),
  dimensions: z.number().int().min(1),
  metric: z.literal('ip'),
  queryPrefix: z.string(),
  passagePrefix: z.string(),
  pooling: z.enum(poolings),
  normalise: z.boolean(),
  maxTokens: z.number().int().min(1),
  lowerCase: z.boolean(),
  passages: z.number().int().min(1),
  kind: z.enum(vectorKinds),
  scalar: z.enum(vectorScalars),
  /** In the directory of the index. */
  file: z.string().regex(/^[\w.-]+$/),
  bytes: z.number().int().min(1),
  crc32: z.number().int().min(0),
});

export type VectorsManifest = z.infer<typeof vectorsManifestSchema>;
