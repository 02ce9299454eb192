import { z } from 'zod';
import { artefactFields } from '#artefacts/artefact-files.ts';
import { engineKinds } from '#engines/index.ts';
import { rootsField, rootsOfRemote } from '#platform/files/check-roots.ts';
import { baseConfig } from '#platform/runtime/config.ts';
import { deviceName, longestWaitMs } from '#platform/runtime/fleet-bounds.ts';

const kinds = engineKinds.map(({ kind }) => kind);

export const engineSidecarConfig = baseConfig
  .extend({
    kind: z
      .string()
      .refine((kind) => kinds.includes(kind), `must be one of: ${kinds.join(', ')}`)
      .describe(`Kind of inference server: ${kinds.join(', ')}.`)
      .meta({ example: 'vllm' }),
    server: z
      .url({ protocol: /^https?$/, error: 'must be a URL, for example http://127.0.0.1:8000' })
      .refine((url) => !/^\w+:\/\/[^/]*@/.test(url), 'must not hold a password')
      .optional()
      .describe('Server that exists, without a path. Absent: the sidecar starts one, and ends it with itself.'),
    model: z
      .string()
      .min(1)
      .optional()
      .describe('Directory with config.json, tokenizer.json and weights, of a server that is started here.')
      .meta({ example: 'policies/nano' }),
    tokenizer: z
      .string()
      .min(1)
      .optional()
      .describe('Path of the tokenizer.json that the gateway has. Absent: the one in `model`.'),
    options: z
      .record(z.string(), z.json())
      .default({})
      .describe('What only this kind knows, as JSON: fleet.engine.options of a recipe.'),
    roots: rootsField,
    ...artefactFields,
    maxContext: z
      .int()
      .min(2)
      .max(16_777_216)
      .default(4096)
      .describe('Longest sequence, in tokens; a server that exists and takes less sets its own.'),
    maxRunning: z
      .int()
      .min(1)
      .max(65_536)
      .default(256)
      .describe('Requests that the server gets at once; more wait here.'),
    maxWaiting: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(2048)
      .describe('Requests that may wait here; more are refused as RESOURCE_EXHAUSTED.'),
    threads: z.int().min(1).max(1024).default(1).describe('CPU threads of a server that is started here.'),
    device: z
      .string()
      .regex(deviceName, 'must be cpu, cuda or cuda:N')
      .default('cpu')
      .describe('Device of a server that is started here: cpu, cuda or cuda:N, which is the only GPU that it sees.'),
    startTimeoutMs: z
      .int()
      .min(1)
      .max(longestWaitMs)
      .default(600_000)
      .describe('Longest time until a server that is started here answers, at each of its starts, in milliseconds.'),
    answerTimeoutMs: z
      .int()
      .min(1)
      .max(longestWaitMs)
      .default(120_000)
      .describe('Longest time until a server that answers has said what it can do, in milliseconds.'),
    loadTimeoutMs: z
      .int()
      .min(1)
      .max(longestWaitMs)
      .default(100_000)
      .describe(
        'Longest time that a server may take for weights that it is given, and for the scores that show them, in milliseconds. Afterwards it is started anew, or not used where it was not started here. Less than `--load-timeout-ms` of the gateway: raise both for weights that take longer.',
      ),
    statusIntervalMs: z
      .int()
      .min(10)
      .max(longestWaitMs)
      .default(1_000)
      .describe('Time between two looks at the server, in milliseconds.'),
    statusTimeoutMs: z
      .int()
      .min(10)
      .max(longestWaitMs)
      .default(10_000)
      .describe('How long the server may take to answer one, in milliseconds.'),
    statusFailures: z
      .int()
      .min(1)
      .max(100)
      .default(3)
      .describe(
        'Looks in a row that the server may miss, without finishing a turn in between, before it counts as down.',
      ),
    hungAfterMs: z
      .int()
      .min(100)
      .max(longestWaitMs)
      .default(60_000)
      .describe(
        'A server that was started here and is down for so long, though it lives, is killed and started anew. Milliseconds.',
      ),
  })
  .check(rootsOfRemote)
  .refine((config) => config.server !== undefined || config.model !== undefined, {
    path: ['model'],
    error: 'is missing, and so is server; name a directory to start a server with, or the URL of one',
  })
  .refine((config) => config.tokenizer !== undefined || config.model !== undefined, {
    path: ['tokenizer'],
    error: 'is missing; name the tokenizer.json of the model that the server has',
  });

export type EngineSidecarConfig = z.infer<typeof engineSidecarConfig>;

/** Of `drainMs`, the part that a server of our own has for its end once its turns have ended. */
export const serverGraceMs = ({ drainMs }: Pick<EngineSidecarConfig, 'drainMs'>): number =>
  Math.min(5_000, drainMs / 2);
