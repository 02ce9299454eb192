import { execFile } from 'node:child_process';
import { totalmem } from 'node:os';
import { promisify } from 'node:util';
import { z } from 'zod';
import { pythonPath, pythonProgram } from '#platform/repository.ts';
import { engineDevices } from '#recipe/engine-part.ts';
import { rankDevices } from '#recipe/learner-part.ts';
import type { Recipe } from '#recipe/schema.ts';
import { kindOf, needsLearner } from '#stages/kit/kinds.ts';
import { hasRollouts } from '#stages/kit/rollout-stages.ts';

/** As gradus_learner/models/memory_plan.py prints it; bytes. */
const partsSchema = z.object({
  parameters: z.number(),
  learner: z
    .object({
      weights: z.number(),
      gradients: z.number(),
      adam_states: z.number(),
      rounded_weights: z.number(),
      reference: z.number(),
      activations: z.number(),
      logits: z.number(),
      critic: z.number(),
    })
    .nullable(),
  engine: z
    .object({
      weights: z.number(),
      next_version: z.number(),
      one_long_sequence: z.number(),
      kv_bound: z.number(),
      prefix_cache_bound: z.number(),
    })
    .nullable(),
});
type Parts = z.output<typeof partsSchema>;

export interface MemoryPlan {
  readonly parameters: number;
  /** Whether adapters are trained in their place. */
  readonly frozen: boolean;
  /** Processes of the learner. */
  readonly ranks: number;
  readonly devices: readonly DeviceMemory[];
  /** By number of GPUs: what the fullest needs with the learner's ranks alone on the first and the engines on the others. */
  readonly gpuCounts: readonly { readonly gpus: number; readonly bytes: number }[];
}

export interface DeviceMemory {
  readonly device: string;
  /** Undefined where neither this machine nor the recipe says it. */
  readonly sizeBytes: number | undefined;
  readonly services: readonly ServiceMemory[];
}

export interface ServiceMemory {
  readonly name: 'learner' | 'engine';
  readonly count: number;
  /** What one of them needs, by part. */
  readonly parts: Readonly<Record<string, number>>;
  /** What it may take beyond that, up to its bounds. */
  readonly bounds: Readonly<Record<string, number>>;
}

const mostMs = 60_000;
const run = promisify(execFile);

/** What the built-in learner and engines of a recipe need, on each device; undefined where there are none. Throws for a config.json that is none. */
export async function planMemory(recipe: Recipe, model: string): Promise<MemoryPlan | undefined> {
  const { engine, learner } = recipe.fleet;
  const trains = learner.kind === 'builtin' && needsLearner(recipe);
  const serves = engine.kind === 'builtin' && recipe.model.endpoint === undefined;
  if (!trains && !serves) return undefined;
  const parts = await partsOf(model, {
    learner: trains
      ? {
          tokens: passTokens(recipe),
          reference: recipe.stages.some((stage) => kindOf(stage).needsReference?.(stage) ?? false),
          critic: recipe.stages.some(hasCritic),
          checkpointing: learner.activation_checkpointing,
          precision: learner.precision,
          lora_rank: recipe.model.lora?.rank ?? 0,
          lora_targets: recipe.model.lora?.target_modules ?? [],
        }
      : null,
    engine: serves
      ? {
          max_context: engine.max_context,
          kv_tokens: engine.kv_tokens,
          max_running: engine.max_running,
          cache_bytes: engine.cache_mebibytes * 2 ** 20,
        }
      : null,
  });
  const learnerMemory = parts.learner === null ? undefined : service('learner', 1, parts.learner);
  const engineMemory = parts.engine === null ? undefined : engineService(parts.engine, trains);
  const placed = new Map<string, ServiceMemory[]>();
  const place = (device: string, memory: ServiceMemory) => {
    const name = device === 'cuda' ? 'cuda:0' : device;
    placed.set(name, [...(placed.get(name) ?? []), memory]);
  };
  const placeAll = (devices: readonly string[], memory: ServiceMemory) => {
    for (const device of new Set(devices))
      place(device, { ...memory, count: devices.filter((each) => each === device).length });
  };
  // Each rank has weights, gradients and moments of its own.
  if (learnerMemory !== undefined) placeAll(rankDevices(recipe), learnerMemory);
  if (engineMemory !== undefined) placeAll(engineDevices(recipe), engineMemory);
  return {
    parameters: parts.parameters,
    frozen: trains && recipe.model.lora !== undefined,
    ranks: learner.ranks,
    devices: [...placed].map(([device, services]) => ({ device, sizeBytes: sizeOf(device, recipe), services })),
    gpuCounts: [...placed.keys()].every((device) => device === 'cpu')
      ? []
      : [1, 2, 4, 8]
          .filter((gpus) => gpus >= learner.ranks)
          .map((gpus) => ({
            gpus,
            bytes: fullest(gpus, needs(learnerMemory), learner.ranks, needs(engineMemory), recipe.fleet.engines),
          })),
  };
}

/** Tokens of the largest forward and backward pass: what a batch may hold, up to the budget; a longer sequence is passed alone. */
export function passTokens({ fleet, stages }: Recipe): number {
  const budget = fleet.learner.micro_batch_tokens;
  const ofStage = stages.map((stage) => {
    if (!hasRollouts(stage) || !('batch' in stage) || typeof stage.batch === 'number') return budget;
    const context = stage.limits.context_tokens;
    return Math.max(context, Math.min(budget, stage.batch.groups * stage.batch.group_size * context));
  });
  return Math.max(...ofStage);
}

const hasCritic = (stage: Recipe['stages'][number]): boolean =>
  'algorithm' in stage && stage.algorithm.advantage === 'gae';

async function partsOf(model: string, asked: object): Promise<Parts> {
  const args = ['-m', 'gradus_learner.models.memory_plan', model, JSON.stringify(asked)];
  const { stdout } = await run(pythonProgram, args, {
    env: { ...process.env, PYTHONPATH: pythonPath },
    timeout: mostMs,
  });
  return partsSchema.parse(JSON.parse(stdout));
}

function service(name: ServiceMemory['name'], count: number, parts: ServiceMemory['parts']): ServiceMemory {
  const used = Object.entries(parts).filter(([, bytes]) => bytes > 0);
  return { name, count, parts: Object.fromEntries(used), bounds: {} };
}

/** Running sequences and finished ones grow up to bounds, which a run need not reach. */
function engineService(parts: NonNullable<Parts['engine']>, loads: boolean): ServiceMemory {
  const { kv_bound: kv, prefix_cache_bound: cache, next_version: next, ...others } = parts;
  const bounds = { keys_and_values: Math.max(0, kv - others.one_long_sequence), prefix_cache: cache };
  return { ...service('engine', 1, { ...others, ...(loads && { next_version: next }) }), bounds };
}

export function sum(parts: Readonly<Record<string, number>>): number {
  return Object.values(parts).reduce((total, bytes) => total + bytes, 0);
}

const needs = (memory: ServiceMemory | undefined): number => (memory === undefined ? 0 : sum(memory.parts));

function fullest(gpus: number, learner: number, ranks: number, engine: number, engines: number): number {
  if (gpus === ranks || learner === 0) return learner + Math.ceil(engines / gpus) * engine;
  return Math.max(learner, Math.ceil(engines / (gpus - ranks)) * engine);
}

function sizeOf(device: string, { fleet }: Recipe): number | undefined {
  if (device !== 'cpu') return fleet.gpu_memory_gib === undefined ? undefined : fleet.gpu_memory_gib * 2 ** 30;
  // Of the control group; 0 or beyond the machine where there is none.
  const bound = process.constrainedMemory();
  return bound > 0 ? Math.min(bound, totalmem()) : totalmem();
}
