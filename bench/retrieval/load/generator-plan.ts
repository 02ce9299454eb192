import { z } from 'zod';
import type { LoadReport } from './run-load.ts';

/** What the generator's process is given. */
export const generatorPlan = z.strictObject({
  protocol: z.enum(['grpc', 'http']),
  address: z.string(),
  /** Whose CPU time is measured, with all that it started. */
  serverPid: z.int(),
  clients: z.int().min(1),
  warmUpMs: z.number(),
  measureMs: z.number(),
  timeoutMs: z.number(),
  callsPerSecond: z.number().optional(),
  topK: z.int(),
  /** Taken in turn. */
  calls: z.array(
    z.strictObject({
      query: z.string(),
      ranking: z.array(z.strictObject({ id: z.string(), score: z.number() })),
    }),
  ),
  /** Documents whose scores differ by no more may change places. */
  tolerance: z.number(),
});

export type GeneratorPlan = z.infer<typeof generatorPlan>;

export interface GeneratorReport extends LoadReport {
  readonly connections: number;
  /** During the measured time. Others: everything else on the machine; high values spoil the figures. */
  readonly cpuSeconds: {
    readonly server: number;
    readonly client: number;
    readonly others: number;
    readonly stolen: number;
  };
  readonly serverResidentMiB: number;
}
