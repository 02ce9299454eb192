import { z } from 'zod';

/** What `bench/retrieval.ts` prints, as far as the tables show it. */
const percentiles = { p50Ms: z.number(), p95Ms: z.number(), p99Ms: z.number(), maxMs: z.number() };
const loadRow = z.object({
  clients: z.number(),
  callsPerSecond: z.number().optional(),
  rightPerSecond: z.number(),
  calls: z.number(),
  wrong: z.number(),
  errors: z.number(),
  errorsByReason: z.record(z.string(), z.number()),
  lost: z.number(),
  cpuSeconds: z.object({ server: z.number(), client: z.number(), others: z.number() }),
  serverResidentMiB: z.number().nullable(),
  ...percentiles,
});
const target = z.object({
  name: z.string(),
  protocol: z.string(),
  startMs: z.number(),
  idleDiffers: z.number().optional(),
  rows: z.array(loadRow),
});
const common = {
  command: z.string(),
  machine: z.object({ cpu: z.string(), cores: z.number(), memoryGiB: z.number(), node: z.string(), at: z.string() }),
};
const rate = { queriesPerSecond: z.number(), queriesPerCpuSecond: z.number(), ...percentiles };
const memory = z.object({ residentMiB: z.number(), anonymousMiB: z.number() });
const searchStep = z.object({
  openMs: z.number(),
  firstQueryMs: z.number(),
  memory: z.object({ before: memory, opened: memory, searched: memory }),
  rate: z.object(rate),
});

export const report = z.discriminatedUnion('part', [
  z.object({ part: z.literal('in-process'), ...common, rows: z.array(z.object({ what: z.string(), ...rate })) }),
  z.object({ part: z.literal('load'), ...common, queries: z.number(), targets: z.array(target) }),
  z.object({ part: z.literal('servers'), ...common, queries: z.number(), targets: z.array(target) }),
  z.object({
    part: z.literal('dense'),
    ...common,
    models: z.string(),
    costs: z.record(z.string(), z.number()),
    vectors: z.object({ exactMs: z.number(), hnswMs: z.number() }),
    targets: z.array(target),
  }),
  z.object({
    part: z.literal('engines'),
    ...common,
    engines: z.array(
      z.object({
        engine: z.string(),
        version: z.string(),
        readyMs: z.number(),
        residentMiB: z.number(),
        sameAsFirst: z.number(),
        rows: z.array(z.object({ callers: z.number(), batch: z.number().optional(), ...rate })),
      }),
    ),
  }),
  z.object({
    part: z.literal('size'),
    ...common,
    rows: z.array(
      z.object({
        passages: z.number(),
        cacheDropped: z.boolean(),
        build: z.object({
          buildMs: z.number(),
          cpuSeconds: z.number(),
          peakResidentMiB: z.number(),
          corpusBytes: z.number(),
          indexBytes: z.number(),
        }),
        cold: searchStep,
        warm: searchStep,
        service: z.object({ coldMs: z.number(), warmMs: z.number(), residentMiB: z.number() }),
      }),
    ),
  }),
  z.object({
    part: z.literal('vectors'),
    ...common,
    rows: z.array(
      z.object({
        name: z.string(),
        dimensions: z.number(),
        buildMs: z.number(),
        msPerQuery: z.number(),
        msPerQueryInBatchesOf32: z.number().optional(),
        recallAt10: z.number(),
      }),
    ),
  }),
]);

export type Report = z.infer<typeof report>;
export type ReportTarget = z.infer<typeof target>;
