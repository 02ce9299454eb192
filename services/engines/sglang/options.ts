import { z } from 'zod';

/** `fleet.engine.options` of a recipe for kind sglang. What a server that exists was started with is its own affair. */
export const sglangOptions = z.strictObject({
  python: z.string().min(1).default('python3').describe('Python that has SGLang.'),
  dtype: z
    .enum(['auto', 'float32', 'bfloat16', 'float16'])
    .default('auto')
    .describe('Format of the weights while they compute.'),
  seeded: z
    .boolean()
    .default(true)
    .describe(
      'Turns repeat with their seed (--enable-deterministic-inference), which costs speed. Without it SGLang ignores seeds.',
    ),
  args: z
    .array(z.string())
    .max(128)
    .default([])
    .describe('Further arguments of the server, for example ["--tp-size", "2"].'),
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string())
    .default({})
    .describe('Further environment variables of the server.'),
});

export type SglangOptions = z.output<typeof sglangOptions>;
