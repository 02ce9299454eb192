import { z } from 'zod';
import { engineKinds } from '#engines/index.ts';
import { addressOrName, hostAndPort } from '#platform/grpc/follow-names.ts';
import { deviceName, fleetBounds } from '#platform/runtime/fleet-bounds.ts';
import { suggest } from '#platform/runtime/suggest.ts';

const device = z.string().regex(deviceName, 'must be cpu, cuda or cuda:N');

/** Of a judge, in `judges` as in `fleet.scripted_judges`. */
export const judgeName = z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be lower case, digits and _, at most 64');

const scriptedJudgeSchema = z
  .strictObject({
    noise: z
      .number()
      .min(0)
      .max(100)
      .default(0)
      .describe('Scale of its logistic error; answers are worth 0..1, by how much of them is right.'),
    position_bias: z
      .number()
      .min(-100)
      .max(100)
      .default(0)
      .describe('Log-odds in favour of what is shown first; needs noise.'),
    tie_band: z.number().min(0).max(100).default(0).describe('Differences, as it sees them, up to this are ties.'),
    seed: z.string().max(256).default('judge').describe('Of its errors.'),
    latency_median_ms: z.number().min(0).max(600_000).default(0).describe('Median time of a reply; 0 is none.'),
    latency_sigma: z.number().min(0).max(4).default(0).describe('Sigma of its log-normal distribution.'),
  })
  .describe(
    'An endpoint that knows the answers (services/scripted/judge): what comes of it says nothing about models.',
  );

const engineNames = ['builtin', 'scripted', 'external', ...engineKinds.map(({ kind }) => kind)];

function unknownEngine(input: unknown): string {
  const meant = typeof input === 'string' ? suggest(input, engineNames) : undefined;
  return meant === undefined ? `must be one of ${engineNames.join(', ')}` : `unknown; did you mean ${meant}?`;
}

const engineSchema = z
  .strictObject({
    kind: z
      .enum(engineNames, { error: ({ input }) => unknownEngine(input) })
      .default('builtin')
      .describe(
        '`external`: engines that exist, at `addresses`. `scripted` writes what `scripted` says in place of a model: for sizing, chaos and benches. Others are inference servers, started with a sidecar each; their options are below.',
      ),
    options: z
      .record(z.string(), z.json())
      .default({})
      .describe('Options of a kind of inference server, checked by its own schema.'),
    addresses: z
      .array(addressOrName)
      .max(fleetBounds.engines)
      .default([])
      .describe(
        'With `external`: the engines, host:port, or dns:///name:port for every address of a name. They reach the folder of the run by the same path.',
      ),
    start_timeout_ms: z
      .int()
      .min(1)
      .max(3_000_000)
      .default(600_000)
      .describe(
        'Longest time until an engine that is started serves; and of inference servers until one has loaded a version.',
      ),
    max_context: z.int().min(16).max(1_048_576).default(1024).describe('Longest sequence in tokens.'),
    max_running: z
      .int()
      .min(1)
      .max(fleetBounds.scriptedRunning)
      .default(256)
      .describe(`Sequences generated at once; at most ${fleetBounds.builtinRunning} in the built-in engine.`),
    cache_mebibytes: z
      .int()
      .min(16)
      .max(1_048_576)
      .default(512)
      .describe('Memory of keys and values in MiB, of the built-in engine.'),
    threads: z.int().min(1).max(1024).default(2).describe('CPU threads.'),
    kv_tokens: z
      .int()
      .min(0)
      .max(2 ** 31 - 1)
      .default(0)
      .describe(
        'Tokens whose keys and values running requests of a built-in engine hold at most, at least max_context; beyond it the one that came last goes back in line. 0: as many as max_running sequences of max_context.',
      ),
    device: z
      .union([device, z.array(device).min(1).max(fleetBounds.engines)])
      .default('cpu')
      .describe('Where it computes: cpu, cuda (the first GPU) or cuda:N; or a list with one for each of `engines`.'),
  })
  .prefault({})
  .describe('Each engine.');

export const fleetSchema = z
  .strictObject({
    workers: z.int().min(1).max(1024).default(1).describe('Rollout workers that `gradus up` starts.'),
    coordinators: z
      .int()
      .min(1)
      .max(8)
      .default(1)
      .describe('Coordinators that `gradus up` starts: one leads a run, the others take over when it dies.'),
    engines: z.int().min(1).max(fleetBounds.engines).default(1).describe('Engines that `gradus up` starts.'),
    gateways: z
      .int()
      .min(1)
      .max(64)
      .default(1)
      .describe(
        'Policy gateways that `gradus up` starts, each in front of all engines: they share tokenising and sessions, and one that dies loses its calls to the others.',
      ),
    concurrency: z
      .int()
      .min(1)
      .max(fleetBounds.workerConcurrency)
      .default(256)
      .describe('Rollouts at once in one worker.'),
    max_open_rollouts: z
      .int()
      .min(1)
      .max(65_536)
      .default(512)
      .describe('Rollouts that are published and unanswered at once, over all workers.'),
    max_runs: z
      .int()
      .min(1)
      .max(64)
      .default(1)
      .describe(
        'Runs at once. They share `max_open_rollouts` by their priorities. A run with a stage that changes the policy goes on alone all the same: the learner and the weights of the engines are of one run.',
      ),
    max_queued_runs: z
      .int()
      .min(0)
      .max(256)
      .default(16)
      .describe('Runs that may wait in the queue of the fleet until others have ended; 0 refuses them.'),
    max_run_share: z
      .number()
      .gt(0)
      .max(1)
      .default(1)
      .describe(
        'Part of `max_open_rollouts` that one run may have, also while it is alone; one group is always let in.',
      ),
    metrics_port: z
      .int()
      .min(1024)
      .max(60_000)
      .optional()
      .describe(
        'Port of 127.0.0.1 at which the first service shows its metrics; each further one takes the next, always in the same order. Without it they take free ports. prometheus.json in the home names them either way.',
      ),
    hung_after_ms: z
      .int()
      .min(2_000)
      .max(3_600_000)
      .default(12_000)
      .describe('A service that lives and answers no health check for this long is killed and started again.'),
    gpu_memory_gib: z
      .number()
      .positive()
      .max(4096)
      .optional()
      .describe(
        "Memory of each GPU in GiB, 139 for an H200: with it a dry run and a start refuse what cannot fit. The CPU's is that of the machine.",
      ),
    engine: engineSchema,
    learner: z
      .strictObject({
        kind: z
          .enum(['builtin', 'scripted', 'external'])
          .default('builtin')
          .describe(
            '`external`: one that exists, at `address`; the other settings are its own then. `scripted` counts steps and trains nothing; needs a scripted engine.',
          ),
        address: hostAndPort
          .optional()
          .describe(
            'With `external`: the learner, host:port; a trainer of yours (clients/python), or `gradus serve learner`. It reaches the folder of the run by the same path.',
          ),
        start_timeout_ms: z
          .int()
          .min(1)
          .max(3_000_000)
          .default(600_000)
          .describe('With `external`: longest time until it answers, from when the fleet starts.'),
        threads: z.int().min(1).max(1024).default(2).describe('CPU threads.'),
        micro_batch_tokens: z
          .int()
          .min(64)
          .max(16_777_216)
          .default(16_384)
          .describe('Most tokens of one forward and backward pass; a longer sequence is passed alone.'),
        precision: z
          .enum(['float32', 'bfloat16'])
          .default('float32')
          .describe('Of the passes, and of the versions that engines get. Weights, gradients and moments are float32.'),
        activation_checkpointing: z
          .boolean()
          .default(false)
          .describe(
            'Keep only what enters a layer, and compute the rest again in the backward pass: less memory, a third more work.',
          ),
        ranks: z
          .int()
          .min(1)
          .max(fleetBounds.ranks)
          .default(1)
          .describe(
            'Processes that share the micro-batches of a step, each with all weights and all moments. Of n ranks on one machine, each on a GPU of its own.',
          ),
        rank_timeout_ms: z
          .int()
          .min(1_000)
          .max(1_500_000)
          .default(600_000)
          .describe(
            'Longest time that ranks wait for one of them within a step: how much longer its share may take. Then the step fails with the number of that rank, and all are started again.',
          ),
        device: z
          .union([device, z.array(device).min(1).max(fleetBounds.ranks)])
          .default('cpu')
          .describe(
            'Where it computes: cpu, cuda (the first GPU; of several ranks the first ones) or cuda:N; or a list with one for each of `ranks`.',
          ),
        peak_tflops: z
          .number()
          .positive()
          .max(1_000_000)
          .optional()
          .describe(
            'TFLOP/s that the device can do at the precision it trains in, for `train/mfu`. Without it by the name of an NVIDIA GPU; where that says nothing, as for a CPU, steps have no MFU.',
          ),
      })
      .prefault({})
      .describe('The learner.'),
    scripted: z
      .strictObject({
        turns: z
          .int()
          .min(1)
          .max(1000)
          .default(3)
          .describe('Turns of a rollout: tool calls, and the answer as the last.'),
        right_probability: z.number().min(0).max(1).default(0.5).describe('Share of answers that are right.'),
        latency_median_ms: z.number().min(0).max(600_000).default(0).describe('Median time of a turn; 0 is none.'),
        latency_sigma: z.number().min(0).max(4).default(0).describe('Sigma of its log-normal distribution.'),
        step_ms: z.int().min(0).max(3_600_000).default(0).describe('Time of a training step.'),
      })
      .prefault({})
      .describe('What scripted engines and a scripted learner play.'),
    scripted_judges: z
      .record(judgeName, scriptedJudgeSchema)
      .refine((judges) => Object.keys(judges).length <= 8, 'takes at most 8 judges')
      .default({})
      .describe(
        'Judges that judge by rule, by name: each stands in for the one of `judges`, whose other settings hold, or alone.',
      ),
  })
  .describe('Processes on one machine. Not part of the recipe hash: another fleet gives the same tasks.');
