import { z } from 'zod';

/** `fleet.engine.options` of a recipe for kind vllm. What a server that exists was started with is its own affair, but for `model_name`. */
export const vllmOptions = z.strictObject({
  python: z
    .string()
    .min(1)
    .optional()
    .describe('Python that has vLLM. Default: what `make vllm` builds where that is there, else python3.'),
  dtype: z
    .enum(['auto', 'float32', 'bfloat16', 'float16'])
    .optional()
    .describe('Format of the weights while they compute. Default: float32 on the CPU, auto on CUDA.'),
  logprobs: z
    .enum(['processed', 'raw'])
    .default('processed')
    .describe(
      'Log-probabilities that the server gives: processed ones are after temperature, as training at another temperature than 1 needs them; raw ones are at temperature 1.',
    ),
  kv_cache_gibibytes: z
    .int()
    .min(1)
    .max(4096)
    .default(1)
    .describe('Memory for keys and values on the CPU; on CUDA vLLM takes what it finds (--gpu-memory-utilization).'),
  args: z
    .array(z.string())
    .max(128)
    .default([])
    .describe('Further arguments of the server, for example ["--tensor-parallel-size", "2"].'),
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string())
    .default({})
    .describe('Further environment variables of the server.'),
  model_name: z
    .string()
    .min(1)
    .optional()
    .describe('Of a server that exists and serves several names. Default: the first that it lists.'),
});

export type VllmOptions = z.output<typeof vllmOptions>;
